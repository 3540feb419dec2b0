# docker build --build-arg NODE_IMAGE=... -t layerd .
# docker run --read-only -p 4000:4000 -v layers:/data layerd
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image is the Node to build with: the development dependency `node` need not fetch another one.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE}
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
RUN ln -s /app/dist/cli/main.js /usr/local/bin/layerd \
 && install -d -o 1000 -g 1000 /data
ENV NODE_ENV=production \
    LAYERD_HOST=0.0.0.0 \
    LAYERD_DATA=/data
# By number, so that Kubernetes can tell that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=15s --timeout=10s --start-period=10s CMD ["layerd", "health"]
ENTRYPOINT ["layerd"]
CMD ["serve"]
