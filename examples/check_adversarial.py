"""Recount robust accuracy from what an assessment wrote: python check_adversarial.py FILE.npz."""  # noqa: INP001 - a program

import sys

import numpy as np

found = np.load(sys.argv[1])
change = np.abs(found["x_adv"].astype(float) - found["x"].astype(float)).reshape(len(found["x"]), -1)
right = found["label_before"] == found["y"]
stands = right & (found["label_after"] == found["y"])
sys.stdout.write(f"samples {len(right)}, clean accuracy {right.mean():.4f}\n")
sys.stdout.write(f"robust accuracy {stands.mean():.4f}\n")
sys.stdout.write(f"largest change of one value {change.max(initial=0):.6f}\n")
sys.stdout.write(f"largest L2 change of one sample {np.sqrt((change**2).sum(axis=1)).max(initial=0):.6f}\n")
