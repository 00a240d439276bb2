# seewhy in a container, as a user without rights:
#   docker build -t seewhy .
#   docker run -p 8000:8000 -v "$PWD:/photos:ro" seewhy serve /photos --host 0.0.0.0 --token A-LONG-SECRET-WORD
#   docker run -v "$PWD:/photos" seewhy batch /photos --out /photos/run
FROM python:3.11-slim
WORKDIR /seewhy
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt '.[tensorflow,serve,data,report]'
RUN useradd --create-home seewhy
USER seewhy
WORKDIR /photos
ENTRYPOINT ["seewhy"]
CMD ["--help"]
