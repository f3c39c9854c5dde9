"""Results that can't, or must not, be written end in one line before any work."""

from __future__ import annotations

import pytest
from command_line import Refusal

LOCKED = "no permission to write to the folder LOCKED"
SELF = ("--sigma", "25", "--prior", "self")
BAD = {
    "no folder": (("denoise", "IN", "-o", "none/OUT.png", *SELF), "no such folder: none"),
    "a locked folder": (
        ("denoise", "IN", "-o", "LOCKED/OUT.png", *SELF),
        LOCKED,
    ),
    "many to a locked folder": (("denoise", ".", "-o", "LOCKED", *SELF), LOCKED),
    "many below a locked folder": (("denoise", ".", "-o", "LOCKED/new", *SELF), "no permission to write"),
    "onto itself": (("denoise", "IN", "-o", "IN", *SELF), "is the input"),
    "onto themselves": (("denoise", ".", "-o", ".", *SELF), "is the input"),
    "many into one": (("denoise", "IN", "SMALL.png", "-o", "OUT.png", *SELF), "OUT.png is the name of a file"),
    "two of one name": (("denoise", "IN", "IN", "-o", "OUT", *SELF), "two images are called noisy.png"),
    "no kind": (("denoise", "IN", "-o", "OUT.jp2", *SELF), "ends in .png"),
    "only read": (("denoise", "IN", "-o", "OUT.gif", *SELF), ".gif files are only read"),
    "16 bit as JPEG": (("denoise", "DEEP.png", "-o", "OUT.jpg", *SELF), "can't store uint16 pixels"),
    "a locked report": (
        ("denoise", "IN", "-o", "OUT.png", *SELF, "--report", "LOCKED/it.html"),
        LOCKED,
    ),
    "two results of one name": (
        ("denoise", "IN", "-o", "OUT.tif", *SELF, "--json", "OUT.json", "--std", "OUT.json"),
        "OUT.json is the file of two results",
    ),
    "onto the prior": (
        ("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--prior", "PRIOR", "--json", "PRIOR"),
        "is an input: choose another file",
    ),
    "noise: two results of one name": (
        ("noise", "IN", "--json", "OUT.png", "--plot", "OUT.png"),
        "OUT.png is the file of two results",
    ),
    "fit: the log onto an image": (
        ("fit", "IN", "-o", "OUT.safetensors", "--log", "IN"),
        "is an input: choose another file",
    ),
    "fit: the log onto the prior": (
        ("fit", "IN", "-o", "OUT.safetensors", "--log", "OUT.safetensors"),
        "is the file of two results",
    ),
    "upscale: onto a folder": (("upscale", "IN", "-o", "FOLDER.png", "--prior", "self"), "FOLDER.png is a folder"),
    "upscale: 16 bit as JPEG": (("upscale", "DEEP.png", "-o", "OUT.jpg", "--prior", "self"), "can't store uint16"),
    "upscale: large JPEG": (
        ("upscale", "LONG.png", "-o", "OUT.jpg", "--factor", "16", "--prior", "self"),
        ".jpg files store at most 65500 rows or columns",
    ),
    "upscale: locked": (("upscale", "IN", "-o", "LOCKED/OUT.png", "--prior", "self"), "no permission to write"),
    "upscale: a stack as PNG": (("upscale", "STACK.tif", "-o", "OUT.png"), "store one image, not 2 pages"),
    "inpaint: onto the mask": (("inpaint", "IN", "--mask", "EYE.png", "-o", "EYE.png"), "EYE.png is an input"),
    "deblur: onto the kernel": (("deblur", "IN", "--kernel", "EYE.png", "-o", "EYE.png"), "EYE.png is an input"),
    "show: ending": (("show", "PRIOR", "-o", "OUT.txt"), "ends in .png"),
    "show: onto the image": (("show", "PRIOR", "--image", "IN", "-o", "IN"), "is an input: choose another"),
    "show: no folder": (("show", "PRIOR", "-o", "none/OUT.png"), "no such folder: none"),
    "show: locked": (("show", "PRIOR", "-o", "LOCKED/OUT.png"), LOCKED),
    "fit: no folder": (("fit", "IN", "-o", "none/OUT.safetensors"), "no such folder: none"),
    "fit: locked": (("fit", "IN", "-o", "LOCKED/OUT.safetensors"), LOCKED),
    "fit: onto an image": (("fit", "IN", "-o", "IN"), "ends in .safetensors"),
    "demo: a file": (("demo", "-o", "BAD.png"), "is a file, expected a folder"),
    "demo: no folder": (("demo", "-o", "none/demo"), "no such folder: none"),
    "demo: locked": (("demo", "-o", "LOCKED"), LOCKED),
    "demo: below a locked one": (("demo", "-o", "LOCKED/demo"), LOCKED),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_outputs_end_in_one_line_before_any_work(name: str, refuse: Refusal) -> None:
    refuse(*BAD[name])
