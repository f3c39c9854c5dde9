"""Files that can't be read, restored, fitted to or written end in one line before any work."""

from __future__ import annotations

import pytest
from command_line import Refusal
from reached import ReachedError

DENOISE = ("denoise", "IN", "-o", "OUT.png", "--sigma", "25")
BY_SELF = (*DENOISE, "--prior", "self")
INPAINT = ("inpaint", "IN", "-o", "OUT.png", "--prior", "PRIOR", "--mask")
DEBLUR = ("deblur", "IN", "-o", "OUT.png", "--prior", "PRIOR", "--kernel")
FIT = ("fit", "IN", "-o", "OUT.safetensors", "--noisy")
SMALL = "4 x 4 pixels is too small: this prior takes 42"
STACK = ("STACK.tif", "-o", "OUT.tif", "--prior", "natural-color")
BAD = {
    "no file": (("denoise", "none.png", "-o", "OUT.png", "--sigma", "25"), "no such file or folder: none.png"),
    "bad file": (("denoise", "BAD.png", "-o", "OUT.png", "--sigma", "25"), "can't be read as an image"),
    "no noise": (("denoise", "FLAT.png", "-o", "OUT.png"), "no noise was found in FLAT.png: pass --sigma"),
    "no prior": ((*DENOISE, "--prior", "none"), "no such file: none"),
    "bad prior": ((*DENOISE, "--prior", "BAD.png"), "not a safetensors file"),
    "small": (
        ("denoise", "SMALL.png", "-o", "OUT.png", "--sigma", "9"),
        SMALL,
    ),
    "gray": ((*DENOISE, "--prior", "natural-color"), "in red, green and blue, and the image is grayscale"),
    "upscale: small": (("upscale", "SMALL.png", "-o", "OUT.png"), "8 x 8 pixels is too small: this prior takes 42"),
    "upscale: small, self": (
        ("upscale", "SMALL.png", "-o", "OUT.png", "--prior", "self"),
        "4 rows is too small to train on",
    ),
    "inpaint: mask": ((*INPAINT, "EYE.png"), "the mask has shape (4, 4)"),
    "inpaint: all": ((*INPAINT, "WHITE.png"), "is known"),
    "inpaint: nothing": ((*INPAINT, "FLAT.png"), "FLAT.png has no hole"),
    "inpaint: small": (
        ("inpaint", "SMALL.png", "--mask", "EYE.png", "-o", "OUT.png"),
        SMALL,
    ),
    "deblur: even": (
        (*DEBLUR, "WHITE.png"),
        "WHITE.png: kernel must have shape (h, w) with odd sides, got shape (40, 40)",
    ),
    "deblur: black": ((*DEBLUR, "SMALL.png"), "is black"),
    "deblur: large kernel": ((*DEBLUR, "KERNEL.png"), "is too small for a kernel"),
    "deblur: small": (
        ("deblur", "SMALL.png", "-o", "OUT.png", "--blur", "0.5"),
        SMALL,
    ),
    "show: no prior": (("show", "BAD.png"), "not a safetensors file"),
    "show: no such prior": (("show", "none"), "no such file: none"),
    "show: no image": (("show", "PRIOR", "--image", "none.png"), "no such file: none.png"),
    "show: small": (("show", "natural-gray", "--image", "SMALL.png"), SMALL),
    "show: gray": (("show", "natural-color", "--image", "IN"), "is grayscale, but this prior is for images in red"),
    "fit: no images": (("fit", "EMPTY", "-o", "OUT.safetensors"), "no image"),
    "fit: no noise": (("fit", "FLAT.png", "-o", "OUT.safetensors", "--noisy"), "the noise level was found to be 0"),
    "fit: small": (("fit", "SMALL.png", "-o", "OUT.safetensors", "--sigma", "9"), "4 rows is too small to train on"),
    "fit: gray": ((*FIT, "--model", "deep", "--color"), "1 channel(s), expected red, green and blue"),
    "fit: strong noise": ((*FIT, "--sigma", "1e9"), "the noise level 1e+09 is 3.92e+06 times the value of white, 255"),
    "fit: other clean": ((*FIT, "--clean", "EYE.png"), "clean must be the same images"),
    "report: ending": ((*BY_SELF, "--report", "OUT.htm.png"), "ends in .html"),
    "report: reference": (
        (*BY_SELF, "--report", "OUT.html", "--reference", "SMALL.png"),
        "the reference has shape (4, 4), the image (96, 120)",
    ),
    "report: no folder": ((*BY_SELF, "--report", "none/OUT.html"), "no such folder: none"),
    "report: a stack": (("denoise", *STACK, "--report", "OUT.html"), "for one image; got OUT.html and 2 images"),
    "no report": ((*BY_SELF, "--reference", "SMALL.png"), "--reference needs --report"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_end_in_one_line_before_any_work(name: str, refuse: Refusal) -> None:
    refuse(*BAD[name])


@pytest.mark.parametrize(
    "arguments",
    [
        DENOISE,
        BY_SELF,
        FIT,
        ("upscale", "IN", "-o", "OUT.png", "--prior", "self"),
        ("deblur", "IN", "-o", "OUT.png", "--blur", "1"),
        ("show", "PRIOR"),
        ("demo",),
    ],
)
def test_work_begins_where_nothing_is_wrong(arguments: tuple[str, ...], refuse: Refusal) -> None:
    with pytest.raises(ReachedError):
        refuse(arguments, "")
