#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# All test guests on Paravane and, where its image is at hand, on Debian's Xen; for tools/check.
cd "$(dirname "$0")/../.." && exec tests/guest/run.py --check -j "${JOBS:-2}"
