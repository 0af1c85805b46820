# gpuwarden in a container. Any image with Python 3.11 to 3.14 serves as BASE.
#
#   docker build -t gpuwarden .
#   docker run --pid host --network host --gpus all \
#     -v /etc/gpuwarden:/etc/gpuwarden:ro -v /data:/data:ro -v gpuwarden:/var/lib/gpuwarden gpuwarden
#
# With a network of its own, the agent must listen on more than the container's loopback:
#   docker run -e GPUWARDEN_SERVER__LISTEN=0.0.0.0:19400 -p 127.0.0.1:19400:19400 ...
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/gpuwarden
ENV PATH=/opt/gpuwarden/bin:$PATH
# The dependencies change less often than the agent: a layer of their own is built once.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY agent ./agent
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
 && pip uninstall --yes setuptools pip

FROM ${BASE}
ENV PATH=/opt/gpuwarden/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/gpuwarden \
    CACHE_DIRECTORY=/var/lib/gpuwarden/cache
COPY --from=build /opt/gpuwarden /opt/gpuwarden
# A number, not a name, so that Kubernetes can see that it is not root.
RUN install --directory --owner=65532 --group=65532 --mode=0711 /var/lib/gpuwarden
USER 65532:65532
VOLUME /var/lib/gpuwarden
EXPOSE 19400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python3", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 19400, timeout=4); \
c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["gpuwarden"]
CMD ["run"]
