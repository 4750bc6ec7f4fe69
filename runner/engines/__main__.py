"""Times whole networks in ONNX Runtime, OpenVINO, ExecuTorch or PyTorch: a runner of latgrad's protocol.

    latgrad validate --lut mine.json --space fbnet --engine onnxruntime
    latgrad validate --lut pi.json --space fbnet --engine onnxruntime --runner 'ssh pi python3 latgrad_runners'

Copy this folder to the machine that is to be measured; beside Python it needs numpy and the engine alone. The engine
is the one that the planner asks for.
"""

import os
import sys

from serving import serve


def main():
    # Engines print: what goes to standard output must not come between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
