"""Makes captions_reference.json: pycocoevalcap's scores of the captions in test_captions.py.

python tests/metrics/captions_reference.py        (in the environment of the benchmarks)
"""

import ast
import json
from pathlib import Path

if __name__ == "__main__":
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    here = Path(__file__).parent
    tree = ast.parse((here / "test_captions.py").read_text())
    data = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("SAID", "MEANT")
    }
    truths, said = dict(enumerate(data["MEANT"])), {i: [c] for i, c in enumerate(data["SAID"])}
    whole, each = Bleu(4).compute_score(truths, said, verbose=0)
    found = {f"bleu{n + 1}": (whole[n], list(each[n])) for n in range(4)}
    for name, scorer in (("rouge_l", Rouge()), ("cider", Cider())):
        value, values = scorer.compute_score(truths, said)
        found[name] = (float(value), [float(v) for v in values])
    (here / "captions_reference.json").write_text(json.dumps(found, indent=1) + "\n")
