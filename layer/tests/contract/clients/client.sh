# Calls each URL with curl, and says what came: `ok STATUS SHA256` or `failed ...`. The arguments: `SECONDS|URL` each.
body=$(mktemp)
trap 'rm -f "$body"' EXIT
for call in "$@"; do
    status=$(curl --silent --max-time "${call%%|*}" --output "$body" --write-out '%{http_code}' "${call#*|}")
    code=$?
    if [ "$code" = 0 ]; then
        hash=$(sha256sum <"$body")
        echo "ok $status ${hash%% *}"
    else
        echo "failed $code"
    fi
done
