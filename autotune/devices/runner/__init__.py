"""The measuring program: runs .tflite files on LiteRT, on this machine or on a board, and says what it saw.

Needs only Python 3.9, numpy and ai_edge_litert (or tflite_runtime). SENT are its modules, each after those
that it imports: devices.connection sends their sources, so that nothing of it has to be put there before.
They import nothing else of autotune. server says what it can be asked.

SERVED are those that run a file where a registered model is served: devices.shipped writes them down as a package
of their own.
"""

SENT = ("frames", "machine", "log", "accelerators", "profiler", "inference", "child", "server")
SERVED = ("machine", "log", "accelerators", "profiler", "inference", "pyfunc")
