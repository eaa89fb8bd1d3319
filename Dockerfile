# The dashboard as a service. For a CPU:      docker build -t vision .
# For NVIDIA GPUs:  docker build -t vision --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 --build-arg TORCH_INDEX= .
# Run:              docker run --rm -p 127.0.0.1:8501:8501 -v vision:/data vision        (with --gpus all on GPUs)
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

# Where PyTorch comes from. The default is the build for CPUs; empty means PyPI, whose build for Linux has CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# A font with Chinese, for words in pictures and reports. CUDA's images have no Python; on Python's own image the interpreter in /usr/local is found.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-wqy-microhei && \
    if ! command -v python3 >/dev/null; then apt-get install -y --no-install-recommends python3 python3-venv; fi && \
    rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1

# The large packages first: they stay in the layer below while the code changes.
WORKDIR /src
COPY requirements.txt requirements-export.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then pip install --index-url "$TORCH_INDEX" torch torchvision; fi && pip install -r requirements.txt

COPY . .
RUN pip install '.[export]' && rm -rf /src/*

# A user without rights; runs, imported sets and published sets are in the volume.
RUN useradd --create-home --uid 10001 vision && mkdir /data && chown vision:vision /data
USER vision
WORKDIR /home/vision
ENV MTL_HOME=/data/runs MTL_DATA_ROOT=/data/sets MTL_MNIST_ROOT=/data/sets/mnist MTL_DATA_FOLDERS=/data
VOLUME /data
EXPOSE 8501

# Inside, the server listens on all addresses of the container; what is reached from outside is what `docker run -p` publishes. Host names other than
# this machine's own are refused all the same, so a public name has to be given: docs/deploy.md, "Behind a proxy".
HEALTHCHECK --interval=30s --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
ENTRYPOINT ["mtl"]
CMD ["serve", "--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true"]
