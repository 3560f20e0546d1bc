"""What `haa` has, for type checkers and editors; `haa.__getattr__` imports each on demand."""

from haa.alignment import Alignment as Alignment
from haa.alignment.callback import AlignmentCallback as AlignmentCallback
from haa.alignment.hugging_face import AlignedTrainer as AlignedTrainer
from haa.alignment.loop import align as align
from haa.conditions.exchanged import Exchanged as Exchanged
from haa.errors import InputError as InputError
from haa.evaluation.evaluation import Evaluation as Evaluation
from haa.evaluation.measure import measure as measure
from haa.interface.commands import evaluate as evaluate
from haa.interface.commands import score as score
from haa.interface.commands import train as train
from haa.interface.report import Report as Report
from haa.interface.report import report as report
from haa.interface.run import Run as Run
from haa.interface.study import Study as Study

__version__: str
