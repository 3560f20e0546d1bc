"""Probe: which stage of a network looks most like people, of any network and any data with gaze."""
