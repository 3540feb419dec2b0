#!/usr/bin/env bash
# Upload, range, resume, manifest and pull, with curl. Starts a server of its own on a free port, on a
# directory that is removed at the end; everything shown can be typed as it stands. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() { printf '\n$ %s\n' "$1"; eval "$1"; }
sha256() { if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }

work=$(mktemp -d)
server=
finish() {
  if [[ -n $server ]]; then kill "$server" 2> /dev/null && wait "$server" || true; fi
  rm -rf "$work"
}
trap finish EXIT

: > "$work/banner"
node_modules/.bin/node src/cli/main.ts serve --port 0 --data "$work/store" --log-level silent 2> "$work/banner" &
server=$!
until url=$(grep -om 1 'http://[0-9.:]*' "$work/banner"); do
  kill -0 "$server" || { cat "$work/banner" >&2; exit 1; }
  sleep 0.1
done

cd "$work"
mkdir -p base/etc app/srv
echo 'NAME="Demo"' > base/etc/os-release
echo 'Hello from a layer.' > app/srv/hello.txt
mkdir data && head -c 8000000 /dev/urandom > data/numbers
tar -czf base.tar.gz -C base etc
tar -cf app.tar -C app srv
tar -cf data.tar data

say 'The server. An id is the SHA-256 of the bytes, so everybody can compute it.'
run "URL=$url"
run 'curl -s $URL/'

say 'Upload: POST takes the bytes and names them.'
run 'curl -s -X POST -T base.tar.gz $URL/layer'
run 'curl -s -X POST -T app.tar $URL/layer'
BASE=$(sha256 base.tar.gz) APP=$(sha256 app.tar) DATA=$(sha256 data.tar)

say 'Upload, interrupted after three million bytes: what has arrived is kept.'
run "DATA=$DATA"
size=$(($(wc -c < data.tar)))
run "head -c 3000000 data.tar | curl -s -X PUT --data-binary @- -H 'Content-Range: bytes 0-2999999/$size' \$URL/layer/\$DATA"
run 'curl -sI $URL/layer/$DATA | grep -iE "^(HTTP|Upload-)"'

say 'Resume: curl sends the rest, from that offset on.'
run 'curl -s -C 3000000 -T data.tar $URL/layer/$DATA'

say 'Ranges: any part of a layer.'
run 'curl -s -r 257-261 $URL/layer/$DATA; echo'
run 'curl -s -r 0-99,-100 -o /dev/null -w "%{http_code} %{content_type}\n" $URL/layer/$DATA'

say 'Download, interrupted; -C - goes on where the file ends.'
run 'curl -s -r 0-4999999 -o got.tar $URL/layer/$DATA; wc -c < got.tar'
run 'curl -s -C - -o got.tar $URL/layer/$DATA; cmp got.tar data.tar && echo identical'

say 'A manifest: layers in order, annotations, a tag. The image configuration is generated.'
cat > manifest.json << JSON
{
  "layers": ["$BASE", "$APP", { "digest": "sha256:$DATA", "annotations": { "title": "numbers" } }],
  "config": { "architecture": "amd64", "os": "linux", "config": { "Cmd": ["cat", "/srv/hello.txt"] } },
  "annotations": { "org.opencontainers.image.title": "demo" },
  "tag": "latest"
}
JSON
run 'cat manifest.json'
run 'curl -s -d @manifest.json $URL/manifest'

say 'Pull: the manifest by its tag, then each of its layers.'
run 'curl -s $URL/manifest/latest -o pulled.json; cat pulled.json'
run 'for id in $(grep -o "sha256:[0-9a-f]*" pulled.json | tail -n +2); do curl -s -o layer $URL/layer/$id; tar -tf layer; done'
