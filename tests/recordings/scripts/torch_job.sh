#!/bin/bash
# As a person would queue it.
echo "Starting training on $(hostname)"
python -u torch_loop.py "$@"
