"""A tiny data set of every reader, laid out as its publisher does: what is damaged before it is read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import scipy.io
from PIL import Image

from haa.data.files.crc32c import masked_crc32c
from haa.data.index import IndexedDataset
from haa.data.readers.actions_in_the_eye import ActionsInTheEye
from haa.data.readers.air_d import AiRD
from haa.data.readers.capgaze import CapGaze
from haa.data.readers.cat2000 import CAT2000
from haa.data.readers.coco_captions import COCOCaptions
from haa.data.readers.coco_search18 import COCOSearch18
from haa.data.readers.cub import CUB
from haa.data.readers.cxr_p import CXRP
from haa.data.readers.daquar import DAQUAR
from haa.data.readers.dhf1k import DHF1K
from haa.data.readers.dut_omron import DUTOMRON
from haa.data.readers.duts import DUTS
from haa.data.readers.ecssd import ECSSD
from haa.data.readers.egd_cxr import EGDCXR
from haa.data.readers.egtea import EGTEA
from haa.data.readers.flickr import Flickr
from haa.data.readers.folder import Folder
from haa.data.readers.gaze_med_seg import GazeMedSeg
from haa.data.readers.gaze_search import GazeSearch
from haa.data.readers.hollywood2 import Hollywood2
from haa.data.readers.mit1003 import MIT1003
from haa.data.readers.osie import OSIE
from haa.data.readers.pascal_s import PASCALS
from haa.data.readers.reflacx import REFLACX
from haa.data.readers.salicon import SALICON
from haa.data.readers.ucf_sports import UCFSports
from haa.data.readers.video_folder import VideoFolder
from haa.data.readers.vqa_hat import VQAHAT
from haa.data.readers.vqa_v2 import VQAv2

Reader = Callable[..., IndexedDataset]
"""A reader with its arguments, but for ``split`` and ``cache``."""

W, H = 16, 12


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (W, H), mode: str = "RGB") -> Path:
    """Write a noisy picture of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    noise = np.random.default_rng([seed, *path.name.encode()]).integers(0, 255, shape, dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def mask(path: Path, points: Sequence[tuple[int, int]] = ((0, 0), (1, 5)), value: int = 255) -> Path:
    """Write a grey picture that is black but for some points, (row, column)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((H, W), dtype=np.uint8)
    for row, column in points:
        pixels[row, column] = value
    Image.fromarray(pixels).save(path)
    return path


def video(path: Path, frames: int = 5, codec: str = "mpeg4") -> Path:
    """Write a small video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for number in range(frames):
            pixels = np.full((H, W, 3), 10 * number + 5 * (sum(path.stem.encode()) % 30), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def text(path: Path, content: str | Any) -> Path:
    """Write a text, or what is no text as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def record(path: Path) -> Path:
    """Write a TFRecord of one sample: a name, a list of bytes, integers, floats."""

    def held(field: int, content: bytes) -> bytes:
        size = bytes([len(content) & 0x7F | 0x80, len(content) >> 7]) if len(content) > 0x7F else bytes([len(content)])
        return bytes([field << 3 | 2]) + size + content

    lists = {"image": held(1, held(1, bytes(range(256)) * 6)), "label": held(3, b"\x0a\x03\xac\x02\x07")}
    lists["share"] = held(2, held(1, np.array([0.5, 2], np.float32).tobytes()))
    entries = b"".join(held(1, held(1, name.encode()) + held(2, value)) for name, value in lists.items())
    content = held(1, entries)
    length = len(content).to_bytes(8, "little")
    parts = (length, masked_crc32c(length).to_bytes(4, "little"), content, masked_crc32c(content).to_bytes(4, "little"))
    path.write_bytes(b"".join(parts))
    return path


def cell(items: Sequence[Any]) -> np.ndarray:
    """Return a cell array of Matlab."""
    out = np.empty((len(items), 1), dtype=object)
    for row, item in zip(out, items, strict=True):
        row[0] = item
    return out


def mat(path: Path, **variables: Any) -> Path:
    """Write a .mat file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables, long_field_names=True)
    return path


def actions_in_the_eye(root: Path) -> Reader:
    for name in ("actioncliptrain00001", "actioncliptrain00002", "actioncliptest00001"):
        video(root / f"AVIClips/{name}.avi")
        text(
            root / f"gaze_hollywood2/samples/001_{name}.avi.txt",
            "0 1 1 600 500 F\n81000 1 1 20 90 S\n90000 1 1 9 99 F\n",
        )
        for action, part in (("Kiss", "train"), ("Kiss", "test"), ("Run", "train"), ("Run", "test")):
            path = root / f"ClipSets/{action}_{part}.txt"
            known = path.read_text() if path.exists() else ""
            if part in name:
                text(path, f"{known}{name}  {1 if (action == 'Run') == ('2' in name) else -1}\n")
    return partial(ActionsInTheEye, frames=2, stride=2, labels="ClipSets")


def air_d(root: Path) -> Reader:
    questions = {}
    for n in range(3):
        picture(root / f"images/n{n}.jpg")
        mask(root / f"aggregated_maps/fixmaps/0{n}.png")
        questions[f"0{n}"] = {"imageId": f"n{n}", "question": f"what is {n}?", "answer": f"it {n}"}
    text(root / "val_balanced_questions.json", questions)
    return AiRD


def air_d_fixations(root: Path) -> Reader:
    air_d(root)
    answers: dict[str, dict[str, str]] = {"p": {}, "q": {}}
    for n in range(3):
        for name in answers:
            times = np.array([[0, 100], [120, 300.5]])
            mat(root / f"fix/0{n}/{name}.mat", xy=np.array([[n, 5], [7.5, 1]]), t=times)
            answers[name][f"0{n}"] = f"it {n}" if name == "p" else "nan"
    text(root / "consolidated_answers.json", answers)
    return partial(AiRD, gaze="fixations", people="correct")


def capgaze(root: Path) -> Reader:
    for n, name in enumerate("ab"):
        picture(root / f"images/{name}.png")
        eye = [(0.5, 0.25), None, (), (0.9, 0.1 * n)]
        record = np.empty((), dtype=object)
        record[()] = {"left_eye": eye, "right_eye": [], "dominant_eye": 0, "time_stamp": [0], "duration": 1.5}
        (root / "gaze/ann").mkdir(parents=True, exist_ok=True)
        np.save(root / f"gaze/ann/{name}.npy", record, allow_pickle=True)
    text(root / "captions.csv", "image,caption\na.png,a square\nb.png,two squares\n")
    return CapGaze


def cat2000(root: Path) -> Reader:
    for number in ("001", "002"):
        picture(root / f"Stimuli/Action/{number}.jpg")
        locations = np.zeros((H, W), dtype=np.uint8)
        locations[3, 7] = 1
        mat(root / f"FIXATIONLOCS/Action/{number}.mat", fixLocs=locations)
    return CAT2000


def coco_captions(root: Path) -> Reader:
    for part, numbers in (("train2017", (1, 2)), ("val2017", (10, 11))):
        images = [{"id": n, "file_name": f"{n:012d}.jpg", "height": H, "width": W} for n in numbers]
        captions = [{"image_id": n, "id": 10 * n, "caption": f"about {n}"} for n in numbers]
        text(root / f"annotations/captions_{part}.json", {"images": images, "annotations": captions})
        for image in images:
            picture(root / part / str(image["file_name"]))
    return COCOCaptions


def coco_search18(root: Path) -> Reader:
    trials = []
    for n, (task, split) in enumerate((("cup", "train"), ("cup", "train"), ("fork", "valid"))):
        place = root / f"images/{task}/{n:02}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1680, 1050), (20 * n, 7, 7)).save(place)
        gaze = {"X": [840.0, 10.0, 1600.0], "Y": [525.0, 20.0, 1000.0], "T": [100, 200, 300], "length": 3}
        names = {"name": f"{n:02}.jpg", "subject": 1, "task": task, "condition": "present", "split": split}
        trials.append({**names, **gaze, "bbox": [1, 2, 3, 4], "fixOnTarget": 1, "correct": 1, "RT": 700})
    for name, part in (("train", trials[:2]), ("validation", trials[2:])):
        text(root / f"coco_search18_fixations_TP_{name}_split1.json", part)
    return COCOSearch18


def cub(root: Path) -> Reader:
    names = {n: f"00{1 + n % 2}.Bird/{n}.jpg" for n in range(1, 5)}
    for name in names.values():
        picture(root / "images" / name)
    tables: dict[str, dict[int, Any]] = {
        "images": names,
        "image_class_labels": {n: 1 + n % 2 for n in names},
        "train_test_split": {n: int(n <= 2) for n in names},
        "classes": {1: "001.Albatross", 2: "002.Laysan"},
    }
    for name, table in tables.items():
        text(root / f"{name}.txt", "".join(f"{key} {value}\n" for key, value in table.items()))
    gha = text(root / "gha/Fixation_run1.txt", f"1,{W},{H},5,6,200,0,7,100\n3,{W},{H}\n")
    return partial(CUB, gha=gha.parent)


def cxr_p(root: Path) -> Reader:
    gaze = {f"1.2.{n}": [(0.5, 0.25, 3), (0.75, 0.5, 1)] for n in range(4)}
    for name in gaze:
        picture(root / f"images/{name}.png")
    (root / "cxr_gaze_data.pkl").write_bytes(pickle.dumps(gaze))
    text(root / "train-rle.csv", "ImageId, EncodedPixels\n" + "".join(f"1.2.{n}, {n - 1}\n" for n in range(4)))
    return CXRP


def daquar(root: Path) -> Reader:
    for n in range(1, 4):
        picture(root / f"images/image{n}.jpg")
    text(root / "train_images_list.txt", "image1\nimage2")
    text(root / "test_images_list.txt", "image3\n")
    text(root / "data_train.csv", 'question,answer,image_id\nwhat is,"box, lamp",image1\nwhich,red,image2\n')
    text(root / "data_eval.csv", "question,answer,image_id\nhow many,2,image3\n")
    return DAQUAR


def dhf1k(root: Path) -> Reader:
    for n in (1, 2, 601):
        for frame in range(1, 6):
            mask(root / f"annotation/{n:04}/fixation/{frame:04}.png")
        video(root / f"video/{n:03}.AVI")
    return partial(DHF1K, frames=2, stride=2)


def dut_omron(root: Path) -> Reader:
    for n in (1, 2, 3):
        picture(root / f"DUT-OMRON-image/im{n:03}.jpg")
        mask(root / f"pixelwiseGT-new-PNG/im{n:03}.png")
        table = np.array([[W, H, 0], [0, 0, 1], [5, 7, 3]], dtype=np.uint16)
        mat(root / f"DUT-OMRON-eye-fixations/mat/im{n:03}.mat", s=table)
    return DUTOMRON


def duts(root: Path) -> Reader:
    for part in ("DUTS-TR", "DUTS-TE"):
        for n in range(2):
            picture(root / part / f"{part}-Image/{part}-{n}.jpg")
            mask(root / part / f"{part}-Mask/{part}-{n}.png")
    return DUTS


def ecssd(root: Path) -> Reader:
    for n in range(1, 5):
        picture(root / f"images/{n:04}.jpg")
        mask(root / f"ground_truth_mask/{n:04}.png")
    return ECSSD


def egd_cxr(root: Path) -> Reader:
    sheet = "dicom_id,path,patient_id,Normal,CHF,pneumonia\n"
    gaze = "SESSION_ID,DICOM_ID,FPOGD,FPOGID,FPOGV,X_ORIGINAL,Y_ORIGINAL\n"
    for n in range(4):
        picture(root / f"images/d{n}.png")
        sheet += f"d{n},files/p1/p1{n}/s1/d{n}.dcm,{n},{n % 2},0,1\n"
        gaze += f"1,d{n},0.25,{n},1,7,5\n"
    text(root / "master_sheet.csv", sheet)
    text(root / "fixations.csv", gaze)
    return EGDCXR


def egtea(root: Path) -> Reader:
    for n, part in enumerate(("train", "train", "test")):
        name = f"P0{n}-R01-Pizza"
        video(root / f"cropped_clips/{name}/{name}-0-9-F000010-F000014.mp4")
        lines = "".join(f"1\tSMP\t1\t{100 * frame}\t{9 * frame}\t{frame}\tFixation\n" for frame in (10, 12))
        text(root / f"gaze_data/{name}.txt", f"## x\nTime\tType\n{lines}")
        with (root / f"{part}_split1.txt").open("a") as file:
            file.write(f"{name}-0-9-F000010-F000014 {1 + n % 2} 1 1\n")
    text(root / "action_idx.txt", "Cut pizza 1\nEat pizza 2\n")
    return partial(EGTEA, frames=2, stride=2)


def flickr(root: Path) -> Reader:
    lines = []
    for n, part in enumerate(("train", "dev", "test")):
        picture(root / f"Flicker8k_Dataset/{n}_ab.jpg")
        text(root / f"Flickr_8k.{part}Images.txt", f"{n}_ab.jpg\n")
        lines += [f"{n}_ab.jpg#{k}\tA dog # {n} runs , {k} .\n" for k in range(2)]
    text(root / "Flickr8k.token.txt", "".join(lines))
    return Flickr


def folder(root: Path) -> Reader:
    for name in "abc":
        picture(root / f"images/{name}.png")
        mask(root / f"masks/{name}.png")
    text(root / "fixations.csv", "image,x,y,duration,subject\na.png,7,5,100,ann\nb.png,0.25,3,50,bob\n")
    text(root / "labels.csv", "image,label\na.png,cat\nb.png,dog\nc.png,cat\n")
    text(root / "captions.csv", "image,caption\na.png,a square\nb.png,two\nc.png,three\n")
    text(root / "splits.csv", "image,split\na.png,train\nb.png,val\nc.png,test\n")
    return Folder


def _frames(root: Path, folders: Sequence[str], stem: Callable[[str], str]) -> None:
    for name in folders:
        for frame in range(1, 4):
            picture(root / name / f"images/{stem(name)}_{frame:05}.png")
            mask(root / name / f"fixation/{stem(name)}_{frame:05}.png")


def gaze_med_seg(root: Path) -> Reader:
    lines = "IMAGE,CURRENT_FIX_INDEX,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_DURATION,IMAGE_HEIGHT,IMAGE_WIDTH\n"
    for n in range(4):
        picture(root / f"images/{n}.png")
        mask(root / f"masks/{n}.png")
        lines += f"{n}.png,1,0.5,0.25,100,{H},{W}\n"
    text(root / "kvasir_fixation.csv", lines)
    return GazeMedSeg


def gaze_search(root: Path) -> Reader:
    trials = []
    for n, (finding, split) in enumerate((("edema", "train"), ("edema", "valid"), ("fracture", "test"))):
        picture(root / f"images/{n}.png")
        names = {"name": f"{n}.jpg", "subject": 1, "task": finding, "condition": "present", "split": split}
        trials.append({**names, "X": [7, 200], "Y": [5, 100], "T": [0.25, 0.5], "length": 2})
    text(root / "finding_visual_search_coco_format.json", trials)
    return GazeSearch


def hollywood2(root: Path) -> Reader:
    folders = [f"{place}/actionclip{part}0000{n}_1" for part, place in _PARTS for n in (1, 2)]
    _frames(root, folders, lambda name: name.split("/")[1].split("_")[0])
    return partial(Hollywood2, frames=2, stride=1)


_PARTS = (("train", "training"), ("test", "testing"))


def mit1003(root: Path) -> Reader:
    for stem in ("i1", "i2"):
        picture(root / f"ALLSTIMULI/{stem}.jpeg", size=(40, 30))
        trace = np.repeat(np.array([(20, 15), (11, 21), (31, 5)], dtype=np.float64), 60, axis=0)
        mat(root / f"DATA/ajs/{stem}.mat", **{stem: {"DATA": [{"eyeData": trace}], "imgName": f"{stem}.jpeg"}})
    return MIT1003


def osie(root: Path) -> Reader:
    entries = []
    for n in range(1001, 1004):
        picture(root / f"stimuli/{n}.jpg")
        path = {"fix_x": [[1.0, 9.5]], "fix_y": [[1.0, 7.25]], "fix_duration": np.array([[100, 246]], dtype=np.uint16)}
        entries.append({"img": f"{n}.jpg", "subjects": cell([path, path])})
    mat(root / "eye/fixations.mat", fixations=cell(entries))
    return OSIE


def pascal_s(root: Path) -> Reader:
    path = root / "fixations/pascalFix.mat"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        cells = file.create_dataset("fixCell", (1, 3), dtype=h5py.ref_dtype)
        for n in range(3):
            picture(root / f"imgs/pascal/{n + 1}.jpg")
            mask(root / f"masks/pascal/{n + 1}.png")
            table = np.array([[1, 1, 2], [5, 7, n]], dtype=np.float64).T
            cells[0, n] = file.create_dataset(f"#refs#/{n}", data=table).ref
    return PASCALS


def reflacx(root: Path) -> Reader:
    window = "xmin_shown_from_image,ymin_shown_from_image,xmax_shown_from_image,ymax_shown_from_image"
    head = f"timestamp_start_fixation,timestamp_end_fixation,x_position,y_position,{window}\n"
    lines = "id,split,eye_tracking_data_discarded,image,dicom_id,subject_id,image_size_x,image_size_y,Mass,Edema\n"
    for n, split in enumerate(("train", "train", "validate", "test")):
        picture(root / f"images/d{n}.png")
        lines += f"P{n},{split},False,files/p1/p1{n}/s1/d{n}.dcm,d{n},{n},{W},{H},{n},True\n"
        text(root / f"main_data/P{n}/fixations.csv", f"{head}1.0,1.5,7,5,0,0,{W},{H}\n")
    text(root / "main_data/metadata_phase_3.csv", lines)
    return partial(REFLACX, phases=(3,))


def salicon_2015(root: Path) -> Reader:
    for part, numbers in (("train", (1, 2)), ("val", (3,))):
        names = {n: f"COCO_{part}2014_{n:012d}.jpg" for n in numbers}
        listed = [{"file_name": name, "height": H, "width": W, "id": 100 + n} for n, name in names.items()]
        gaze = [{"image_id": 100 + n, "fixations": [[1, 1], [5, 9]], "worker_id": 7, "id": n} for n in names]
        text(root / f"annotations/fixations_{part}2014.json", {"info": {}, "images": listed, "annotations": gaze})
        for name in names.values():
            picture(root / "images" / part / name)
    return partial(SALICON, release=2015)


def salicon_2017(root: Path) -> Reader:
    for part, numbers in (("train", (1, 2)), ("val", (3,))):
        for n in numbers:
            stem = f"COCO_{part}2014_{n:012d}"
            picture(root / "images" / part / f"{stem}.jpg")
            gaze = np.empty((2, 1), dtype=[(key, object) for key in ("location", "timestamp", "fixations")])
            for row in gaze:
                row[0] = (np.ones((3, 2)), np.arange(3.0)[:, None], np.array([[1, 1], [5, 9]], dtype=np.uint16))
            mat(root / "fixations" / part / f"{stem}.mat", image=stem, resolution=[[H, W]], gaze=gaze)
    return partial(SALICON, release=2017)


def ucf_sports(root: Path) -> Reader:
    folders = ["training/Golf-Swing-001", "training/Run-Side-002", "testing/Run-Side-003"]
    _frames(root, folders, lambda name: name[-3:])
    return partial(UCFSports, frames=2, stride=1)


def video_folder(root: Path) -> Reader:
    for name in ("train/run/a", "val/jump/b", "test/run/c"):
        video(root / f"{name}.mp4")
    text(root / "fixations.csv", "video,frame,x,y,subject\ntrain/run/a.mp4,0,5,6.5,1\ntest/run/c.mp4,2,3,4,2\n")
    return partial(VideoFolder, frames=2, stride=2)


def vqa(root: Path, prefix: str = "v2_") -> Reader:
    for part, numbers in (("train2014", (1, 2)), ("val2014", (10, 11))):
        questions = [{"image_id": n, "question": f"what {n}?", "question_id": 10 * n} for n in numbers]
        answers = [{"question_id": 10 * n, "image_id": n, "answers": [{"answer": "yes"}] * 3} for n in numbers]
        text(root / f"{prefix}OpenEnded_mscoco_{part}_questions.json", {"questions": questions})
        text(root / f"{prefix}mscoco_{part}_annotations.json", {"annotations": answers})
        for n in numbers:
            picture(root / part / f"COCO_{part}_{n:012d}.jpg")
    return VQAv2


def vqa_hat(root: Path) -> Reader:
    vqa(root, prefix="")
    for n in (10, 20, 100, 110):
        mask(root / f"vqahat/{n}_1.png")
    return VQAHAT


READERS: dict[str, Callable[[Path], Reader]] = {
    function.__name__: function
    for function in (
        *(actions_in_the_eye, air_d, air_d_fixations, capgaze, cat2000, coco_captions, coco_search18, cub, cxr_p),
        *(daquar, dhf1k, dut_omron, duts, ecssd, egd_cxr, egtea, flickr, folder, gaze_med_seg, gaze_search),
        *(hollywood2, mit1003, osie, pascal_s, reflacx, salicon_2015, salicon_2017, ucf_sports, video_folder),
        *(vqa, vqa_hat),
    )
}
"""Each lays a data set into a folder, and returns the reader that reads it."""
