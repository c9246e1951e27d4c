# The fake GPU device plugin as an image, for nodes that are containers.
FROM python:3.13-slim
RUN pip install --no-cache-dir grpcio==1.85.1 protobuf==7.36.2
COPY gpu_plugin.py /gpu_plugin.py
ENTRYPOINT ["python", "/gpu_plugin.py"]
