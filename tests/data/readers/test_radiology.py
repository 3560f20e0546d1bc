"""EGD-CXR, REFLACX and GazeSearch, planted as their authors' code and descriptions lay them out: points and labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from haa.data.readers.egd_cxr import EGDCXR
from haa.data.readers.gaze_search import GazeSearch
from haa.data.readers.reflacx import REFLACX
from haa.errors import InputError


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def dicom(n: int) -> str:
    return f"{n:08x}-0a-0b-0c-0d"


def mimic(n: int, patient: int) -> str:
    """Return where MIMIC-CXR keeps a DICOM file."""
    return f"files/p1{patient}/p1{patient}00/s5{n}/{dicom(n)}.dcm"


CHEXPERT = ("atelectasis", "cardiomegaly", "consolidation", "edema", "enlarged_cardiomediastinum", "fracture")
CHEXPERT += ("lung_lesion", "lung_opacity", "no_finding", "pleural_effusion", "pleural_other", "pneumonia")
CHEXPERT += ("pneumothorax", "support_devices")
GAZE = {"SESSION_ID": 1, "MEDIA_ID": 0, "FPOGX": 0.5, "FPOGY": 0.5, "FPOGD": 0.25, "FPOGID": 1, "FPOGV": 1}
PICTURES = 12


@pytest.fixture
def egd(tmp_path, picture) -> Path:
    """Twelve pictures of 60 x 40 pixels, of six patients; two people's worth of rows at the first."""
    root, sheet = tmp_path / "egd", []
    for n in range(PICTURES):
        picture(root / "images" / Path(mimic(n, n // 2)).with_suffix(".jpg"), 60, 40)
        kinds = {"Normal": int(n % 3 == 0), "CHF": int(n % 3 == 1), "pneumonia": int(n % 3 == 2)}
        chexpert = dict.fromkeys((f"{name}__chx" for name in CHEXPERT), "")
        chexpert |= {"edema__chx": 1, "fracture__chx": -1, "pneumonia__chx": 0}
        where = {"dicom_id": dicom(n), "path": mimic(n, n // 2), "patient_id": n // 2}
        sheet.append({**where, **kinds, **chexpert, "cxr_exam_indication": "a\ncough, fever"})
    write(root / "master_sheet.csv", sheet)
    at = {"DICOM_ID": dicom(0)}
    rows = [
        {**GAZE, **at, "X_ORIGINAL": 7, "Y_ORIGINAL": 9},
        {**GAZE, **at, "FPOGID": 2, "FPOGD": 0.1, "X_ORIGINAL": 59, "Y_ORIGINAL": 39},
        {**GAZE, **at, "FPOGID": 3, "X_ORIGINAL": -2, "Y_ORIGINAL": -2},  # off the picture
        {**GAZE, **at, "FPOGID": 4, "FPOGV": 0, "X_ORIGINAL": 1, "Y_ORIGINAL": 1},  # a saccade
        {**GAZE, "DICOM_ID": "calibration", "X_ORIGINAL": -1, "Y_ORIGINAL": -1},
        {**GAZE, "DICOM_ID": dicom(3), "SESSION_ID": 2, "X_ORIGINAL": 3, "Y_ORIGINAL": 4},
    ]
    write(root / "fixations.csv", rows)
    samples = [{**rows[0], "FPOGD": 0.02, "X_ORIGINAL": 5, "Y_ORIGINAL": 5}, *rows]  # the last row of each counts
    write(root / "eye_gaze.csv", samples)
    return root


@pytest.mark.parametrize("table", ["fixations.csv", "eye_gaze.csv"])
def test_egd_has_fixations_in_the_pictures_pixels_and_milliseconds(egd, everything, table):
    samples = everything(EGDCXR, egd, fixations=table)
    assert len(samples) == PICTURES
    gaze = samples[dicom(0)]["gaze"]
    assert gaze.points.tolist() == [[7, 9], [59, 39]]
    assert gaze.duration.tolist() == [250, 100]
    assert gaze.size == (40, 60)
    assert samples[dicom(3)]["gaze"].points.tolist() == [[3, 4]]
    assert samples[dicom(1)]["gaze"] is None


def test_egd_counts_what_it_leaves_out(egd):
    notes = "\n".join(EGDCXR(egd).notes)
    assert "1 x fixation off the picture, left out" in notes
    assert "1 x gaze at no picture of the sheet, left out" in notes
    assert "1 x row without a fixation, left out" in notes


def test_egd_has_several_labels_and_masks_what_is_uncertain_or_empty(egd, everything):
    data = EGDCXR(egd)
    assert (data.classes, data.multilabel) == (["Normal", "CHF", "pneumonia"], True)
    samples = everything(EGDCXR, egd)
    assert samples[dicom(1)]["labels"].tolist() == [0, 1, 0]
    assert samples[dicom(1)]["labels"].dtype == torch.int8
    chexpert = everything(EGDCXR, egd, labels="chexpert")[dicom(1)]["labels"]
    place = [CHEXPERT.index(name) for name in ("edema", "fracture", "pneumonia", "atelectasis")]
    assert chexpert[place].tolist() == [1, -1, 0, -1]
    absent = everything(EGDCXR, egd, labels="chexpert", blank="absent")[dicom(1)]["labels"]
    assert absent[place].tolist() == [1, -1, 0, 0]


def test_no_patient_of_egd_is_in_two_splits(egd, everything):
    splits = {name: sample["split"] for name, sample in everything(EGDCXR, egd).items()}
    assert all(splits[dicom(2 * n)] == splits[dicom(2 * n + 1)] for n in range(PICTURES // 2))
    assert set(splits.values()) == {"train", "val", "test"}


def test_labels_are_part_of_a_splits_identity(egd):
    first = EGDCXR(egd).identity()
    other = EGDCXR(egd, labels="chexpert").identity()
    assert first["labels"] != other["labels"]
    assert first["gaze"] == other["gaze"]


def test_dicom_is_refused_with_the_cure(egd):
    jpg = egd / "images" / Path(mimic(4, 2)).with_suffix(".jpg")
    jpg.rename(jpg.with_suffix(".dcm"))
    with pytest.raises(InputError, match=r"\.dcm is a DICOM file, .*: put the picture of MIMIC-CXR-JPG in its place"):
        EGDCXR(egd)


def test_smaller_copies_of_egds_pictures_are_refused(egd, picture):
    for path in egd.glob("images/**/*.jpg"):
        picture(path, 6, 4)
    with pytest.raises(InputError, match="lie outside their pictures"):
        EGDCXR(egd)


@pytest.mark.parametrize(("column", "value", "said"), [("Normal", 7, "Normal=7 is none"), ("CHF", "x", "is no number")])
def test_a_label_of_egd_that_is_none(egd, column, value, said):
    sheet = list(csv.DictReader((egd / "master_sheet.csv").open(newline="")))
    sheet[2][column] = value
    write(egd / "master_sheet.csv", sheet)
    with pytest.raises(InputError, match=rf"master_sheet\.csv, line .*{said}"):
        EGDCXR(egd)


LABELS = {"Atelectasis": 5, "Consolidation": 0, "Support devices": True, "Other": "scar", "Quality issue": False}


def reading(n: int, split: str, name: str = "", **other) -> dict:
    size = {"image_size_x": 600, "image_size_y": 400}
    path = f"physionet.org/files/mimic-cxr/2.0.0/{mimic(n, n)}"
    base = {"id": name or f"P300R{n:06}", "split": split, "eye_tracking_data_discarded": False, "image": path}
    return {**base, "dicom_id": dicom(n), "subject_id": n, **size, **LABELS, **other}


def on_screen(x: float, y: float, window: tuple, rect: tuple) -> tuple[float, float]:
    """Return where on the screen a point of the picture is, that shows a window of it in a rectangle of its own."""
    (l0, t0, r0, b0), (l1, t1, r1, b1) = window, rect
    return l1 + (x - l0) * (r1 - l1) / (r0 - l0), t1 + (y - t0) * (b1 - t1) / (b0 - t0)


def fixation(screen: tuple[float, float], window: tuple, rect: tuple, start: float = 1.0, end: float = 1.25) -> dict:
    """Return a row as the authors made it: from the screen into the whole picture, rounded."""
    (l0, t0, r0, b0), (l1, t1, r1, b1) = window, rect
    x = l0 + (screen[0] - l1) * (r0 - l0) / (r1 - l1)
    y = t0 + (screen[1] - t1) * (b0 - t0) / (b1 - t1)
    row = {"timestamp_start_fixation": start, "timestamp_end_fixation": end, "x_position": round(x)}
    row |= {"y_position": round(y), "pupil_area_normalized": 1, "angular_resolution_x_pixels_per_degree": 90}
    row |= dict(zip([f"{side}_shown_from_image" for side in ("xmin", "ymin", "xmax", "ymax")], window, strict=True))
    return row | dict(zip([f"{s}_in_screen_coordinates" for s in ("xmin", "ymin", "xmax", "ymax")], rect, strict=True))


WHOLE, ZOOMED = (0, 0, 600, 400), (150, 100, 450, 300)
RECT = (660, 0, 3840, 2120)


@pytest.fixture
def reflacx(tmp_path, picture) -> Path:
    root = tmp_path / "reflacx"
    main = root / "main_data"
    rows = [reading(n, split) for n, split in enumerate(["train", "train", "validate", "test"])]
    rows[1] |= {"eye_tracking_data_discarded": True, "Atelectasis": 3, "Consolidation": ""}
    write(main / "metadata_phase_3.csv", rows)
    write(
        main / "metadata_phase_2.csv", [reading(9, "train", f"P2{n}", Atelectasis=n, Consolidation=n) for n in (4, 5)]
    )
    first = {key: value for key, value in reading(8, "train", "P1").items() if key != "Consolidation"}
    write(main / "metadata_phase_1.csv", [{**first, "Mass": 4}])
    for n in (0, 1, 2, 3, 8, 9):
        picture(root / "images" / Path(mimic(n, n)).with_suffix(".jpg"), 600, 400)
    for row in (*rows, {"id": "P1"}, {"id": "P24"}, {"id": "P25"}):
        true = (201.3, 155.8) if row["id"] != "P25" else (300.0, 200.0)
        gaze = [fixation(on_screen(*true, window, RECT), window, RECT) for window in (WHOLE, ZOOMED)]
        if row["id"] == "P300R000000":
            gaze.append(fixation((30, 1000), ZOOMED, RECT))  # at the buttons beside the picture
        if not row.get("eye_tracking_data_discarded"):
            write(main / str(row["id"]) / "fixations.csv", gaze)
    return root


def test_a_zoomed_picture_gives_the_same_points_to_within_half_a_pixel(reflacx, everything):
    gaze = everything(REFLACX, reflacx, phases=[3])[dicom(0)]["gaze"]
    # measured from the upper left corner, where haa's first pixel has its centre at a half
    torch.testing.assert_close(gaze.points, torch.tensor([[200.8, 155.3]] * 2), atol=0.5, rtol=0)
    assert gaze.duration.tolist() == [250, 250]
    assert gaze.size == (400, 600)


def test_reflacx_counts_what_it_leaves_out(reflacx):
    notes = "\n".join(REFLACX(reflacx, phases=[3]).notes)
    assert "1 x fixation off the part of the picture that was shown, left out" in notes
    assert "1 x reading without usable gaze, its labels count" in notes
    more = "\n".join(REFLACX(reflacx, phases=[1, 3]).notes)
    assert "2 x label that not every phase has, left out" in more


def test_reflacx_labels_are_present_absent_or_unknown(reflacx, everything):
    samples = everything(REFLACX, reflacx, phases=[3])
    assert REFLACX(reflacx).classes == ["Atelectasis", "Consolidation", "Support devices"]
    assert samples[dicom(0)]["labels"].tolist() == [1, 0, 1]
    assert samples[dicom(1)]["labels"].tolist() == [-1, -1, 1]  # possibly; empty
    assert samples[dicom(1)]["gaze"] is None
    surer = everything(REFLACX, reflacx, phases=[3], present=3)
    assert surer[dicom(1)]["labels"].tolist() == [1, -1, 1]


def test_readings_of_one_picture_are_one_sample(reflacx, everything):
    sample = everything(REFLACX, reflacx, phases=(2, 3))[dicom(9)]
    assert sample["gaze"].subject.tolist() == [1, 1, 2, 2]
    assert sample["labels"].tolist() == [1, 1, 1]  # certain and probable, 4.5 on the mean
    certain = everything(REFLACX, reflacx, phases=(2, 3), present=5)[dicom(9)]
    assert certain["labels"].tolist() == [-1, -1, 1]


def test_reflacx_keeps_its_splits(reflacx, everything):
    splits = {name: sample["split"] for name, sample in everything(REFLACX, reflacx, phases=[3]).items()}
    assert [splits[dicom(n)] for n in range(4)] == ["train", "train", "val", "test"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Atelectasis": 9}, "Atelectasis=9 is no certainty"),
        ({"eye_tracking_data_discarded": "perhaps"}, "neither True nor False"),
        ({"split": "dev"}, None),
        ({"split": "some"}, "split is none of"),
        ({"image_size_x": 300}, "was read at 300 x 400 pixels"),
    ],
)
def test_reflacx_that_is_none(reflacx, change, said):
    rows = [reading(n, split) for n, split in enumerate(["train", "train", "validate", "test"])]
    rows[0] |= change
    write(reflacx / "main_data" / "metadata_phase_3.csv", [rows[0], *rows[2:]])
    if said is None:
        REFLACX(reflacx, phases=[3])
        return
    with pytest.raises(InputError, match=said):
        REFLACX(reflacx, phases=[3])
    with pytest.raises(InputError, match="choose among 1, 2 and 3"):
        REFLACX(reflacx, phases=[4])


def search(n: int, finding: str, points: list, split: str = "train") -> dict:
    x, y = [list(column) for column in zip(*points, strict=True)]
    gaze = {"X": x, "Y": y, "T": [0.25] * len(x), "length": len(x), "fixOnTarget": True, "correct": 1}
    names = {"name": f"{dicom(n)}.jpg", "subject": 1, "task": finding, "condition": "present"}
    return {**names, "bbox": [0, 0, 0, 0], **gaze, "split": split}


SEARCHES = [search(0, "edema", [(0, 0), (112, 56), (223, 223)]), search(1, "edema", [(5, 5)], "valid")]
SEARCHES += [search(0, "fracture", [(7, 7)], "test"), search(2, "fracture", [(8, 8)])]
LIST = "data/finding_visual_search_coco_format_train_test.json"


@pytest.fixture
def searches(tmp_path, picture) -> Path:
    root = tmp_path / "search"
    (root / "data").mkdir(parents=True)
    (root / LIST).write_text(json.dumps(SEARCHES))
    for n in range(3):
        picture(root / "images" / f"{dicom(n)}.jpg", 2240, 448)
    return root


def test_gaze_search_is_brought_from_224_pixels_to_the_pictures_own(searches, everything):
    samples = everything(GazeSearch, searches)
    gaze = samples[f"edema/{dicom(0)}"]["gaze"]
    # a pixel of 224 is 10 x 2 of the picture's: its middle
    assert gaze.points.tolist() == [[4.5, 0.5], [1124.5, 112.5], [2234.5, 446.5]]
    assert gaze.duration.tolist() == [250, 250, 250]
    assert gaze.size == (448, 2240)
    assert GazeSearch(searches).classes == ["edema", "fracture"]
    assert samples[f"fracture/{dicom(0)}"]["label"] == 1


def test_a_picture_of_gaze_search_is_held_out_for_all_findings(searches, everything):
    splits = {name: sample["split"] for name, sample in everything(GazeSearch, searches).items()}
    assert splits[f"edema/{dicom(0)}"] == splits[f"fracture/{dicom(0)}"] == "test"
    assert (splits[f"edema/{dicom(1)}"], splits[f"fracture/{dicom(2)}"]) == ("val", "train")


def test_gaze_search_that_was_rescaled_or_lies_there_twice_is_refused(searches):
    (searches / LIST).write_text(json.dumps([*SEARCHES, search(1, "edema", [(300, 5)])]))
    with pytest.raises(InputError, match="outside of 224 x 224"):
        GazeSearch(searches)
    (searches / LIST).write_text(json.dumps([*SEARCHES, {**SEARCHES[0], "T": [1]}]))
    with pytest.raises(InputError, match="not laid out as GazeSearch's"):
        GazeSearch(searches)
    (searches / LIST.replace("train_test", "other")).write_text("[]")
    with pytest.raises(InputError, match=r"both there: choose one by data\.annotations"):
        GazeSearch(searches)
