"""Options out of their range, or at odds, end in one line before any work."""

from __future__ import annotations

import pytest
from command_line import Refusal

DENOISE = ("denoise", "IN", "-o", "OUT.png")
UPSCALE = ("upscale", "IN", "-o", "OUT.png")
DEBLUR = ("deblur", "IN", "-o", "OUT.png")
FIT = ("fit", "IN", "-o", "OUT.safetensors")
BAD = {
    "no command": (("paint",), "No such command 'paint'"),
    "negative sigma": ((*DENOISE, "--sigma", "-25"), "must be a number above 0, got -25"),
    "NaN sigma": ((*DENOISE, "--sigma", "nan"), "must be a number above 0, got nan"),
    "no number": ((*DENOISE, "--sigma", "much"), "Invalid value for '--sigma'"),
    "no gain": ((*DENOISE, "--gain", "0"), "gain must be a number above 0, got 0.0"),
    "negative read noise": ((*DENOISE, "--gain", "2", "--sigma", "-1"), "must be a number of 0 or more, got -1"),
    "bright offset": (
        (*DENOISE, "--gain", "2", "--offset", "300", "--prior", "PRIOR"),
        "offset must be below white, 255, got 300",
    ),
    "offset alone": ((*DENOISE, "--offset", "9"), "pass --gain too, got offset 9"),
    "white": ((*DENOISE, "--sigma", "25", "--white", "0"), "must be a positive number, got 0"),
    "no device": ((*DENOISE, "--sigma", "25", "--device", "abacus"), "no device 'abacus' here"),
    "no such device": ((*DENOISE, "--sigma", "25", "--device", "meta"), "no device 'meta'"),
    "steps of nothing": ((*UPSCALE, "--steps", "9"), "--steps is for --prior self"),
    "small factor": ((*UPSCALE, "--factor", "1"), "Invalid value for '--factor'"),
    "huge factor": ((*UPSCALE, "--factor", "100000"), "Invalid value for '--factor'"),
    "upscale: sigma": ((*UPSCALE, "--sigma", "-1", "--prior", "self"), "must be a number above 0, got -1"),
    "upscale: device": ((*UPSCALE, "--device", "abacus", "--prior", "self"), "no device 'abacus' here"),
    "deblur: no blur": ((*DEBLUR, "--prior", "PRIOR"), "one of --blur and --kernel"),
    "deblur: two": ((*DEBLUR, "--blur", "1", "--kernel", "EYE.png"), "one of --blur and --kernel"),
    "deblur: blur": ((*DEBLUR, "--blur", "0"), "must be a number above 0, got 0"),
    "deblur: sigma": ((*DEBLUR, "--blur", "1", "--sigma", "0"), "must be a number above 0, got 0"),
    "deblur: self": ((*DEBLUR, "--blur", "1", "--prior", "self"), "pass --prior with a name or a file"),
    "show: steps": (("show", "PRIOR", "--steps", "-1"), "Invalid value for '--steps'"),
    "show: self": (("show", "self"), "self does not name one prior"),
    "show: white": (("show", "PRIOR", "--image", "IN", "--white", "-1"), "must be a positive number, got -1"),
    "fit: gain of clean": ((*FIT, "--gain", "2"), "--gain and --offset are for images with noise"),
    "fit: model": ((*FIT, "--model", "gan"), "--model must be 'foe' or 'deep', got 'gan'"),
    "fit: size": ((*FIT, "--size", "1000"), "size must be an integer from 2 to 64, got 1000"),
    "fit: filters": ((*FIT, "--filters", "99"), "filters must be an integer from 1 to 24, got 99"),
    "fit: depth of foe": ((*FIT, "--depth", "4"), "--depth is for --model deep, got 4 for --model foe"),
    "fit: octaves of deep": ((*FIT, "--model", "deep", "--octaves", "2"), "--octaves is for --model foe, got 2"),
    "fit: blind foe": ((*FIT, "--noisy", "--blind"), "blind is for deep priors"),
    "fit: rate": ((*FIT, "--rate", "0"), "rate must be a number above 0, got 0"),
    "fit: lam": ((*FIT, "--model", "deep", "--blind", "--lam", "1"), "blind needs a loss without regularizer"),
    "fit: sigma": ((*FIT, "--noisy", "--sigma", "-1"), "must be a number above 0, got -1"),
    "fit: clean of clean": ((*FIT, "--clean", "IN"), "clean is for a comparison with noisy images"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_end_in_one_line_before_any_work(name: str, refuse: Refusal) -> None:
    refuse(*BAD[name])
