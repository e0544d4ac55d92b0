"""A server of HyperQueue with two cores: python hq_server.py FOLDER; it ends with its standard input."""

import sys

from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig

if __name__ == "__main__":
    with LocalCluster(sys.argv[1]) as cluster:
        cluster.start_worker(WorkerConfig(cores=2))
        sys.stdin.read()
