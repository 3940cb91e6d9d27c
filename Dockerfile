# The GPU image, with TensorFlow's CUDA libraries from pip; the host needs only the NVIDIA driver and container toolkit:
#     docker build -t kerasexp .
#     docker run --rm --gpus all -v "$PWD/data:/data" -v "$PWD/runs:/workspace/runs" kerasexp train kmnist_cnn --recipe fast
# For machines without a GPU:
#     docker build -t kerasexp:cpu --build-arg VARIANT=cpu .
# Nothing is downloaded at run time once the data is mounted; add --network none and it still runs.
# compose.yaml has both as services, and one for grading. Versions are pinned by constraints.txt.

FROM python:3.12.12-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && wheel="$(find /wheels -name 'kerasexp-*.whl')" \
    && echo "${wheel}[gpu,clustering,export]" > /wheels/gpu.txt \
    && echo "${wheel}[clustering,export]" > /wheels/cpu.txt \
    && cp constraints.txt /wheels/

FROM python:3.12.12-slim-bookworm
ARG VARIANT=gpu
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --requirement "/wheels/${VARIANT}.txt" --constraint /wheels/constraints.txt

# HOME and the work folder are open to every user, so that `--user "$(id -u):$(id -g)"` can write to mounted folders.
RUN useradd --uid 1000 --create-home kerasexp \
    && mkdir -p /data /workspace/runs \
    && chown -R kerasexp:kerasexp /data /workspace \
    && chmod 1777 /home/kerasexp /data /workspace /workspace/runs
ENV HOME=/home/kerasexp \
    KERAS_HOME=/home/kerasexp/.keras \
    KERASEXP_DATA_DIR=/data \
    MPLCONFIGDIR=/home/kerasexp/.config/matplotlib \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/home/kerasexp/.cache
USER 1000:1000
WORKDIR /workspace
VOLUME ["/data", "/workspace/runs"]
ENTRYPOINT ["kerasexp"]
CMD ["--help"]
