#!/bin/sh
# Makes the locks again from the .in files: every version pinned, every file by its hash, for Python 3.11 to 3.14.
# Needs uv. With --upgrade it takes newer versions; otherwise it keeps those that still fit.
set -eu
cd "$(dirname "$0")"

compile() { # IN OUT [more options]
    in=$1 out=$2
    shift 2
    "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header "$in" -o "$out" "$@"
}

compile build.in build.txt "$@"
compile run.in run.txt -c build.txt "$@"
compile test.in test.txt -c run.txt "$@"
compile lint.in lint.txt -c test.txt "$@"
# What the container images carry: no build tools; and what the forwarder's has beside the packages of its zip file.
compile image.in image.txt -c run.txt "$@"
compile parquet.in parquet.txt -c test.txt "$@"
# What the zip files of the Lambdas carry, for their runtime alone: no markers, so that every machine packs the same.
"${UV:-uv}" pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header lambda.in -o lambda.txt -c run.txt "$@"
# LocalStack's own environment, for the one version that it runs on.
"${UV:-uv}" pip compile --quiet --python-version 3.13 --python-platform linux --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header localstack.in -o localstack.txt "$@"
for each in python go kubernetes; do # what checks what we deploy with
    compile "../tests/tools/$each.in" "../tests/tools/$each.txt" --no-deps --no-annotate "$@"
done
# What a release is made with.
(cd ../.github/requirements && compile release.in release.txt "$@")
for each in java node kcl; do # the stack installs these itself, each into a folder of its own
    compile "$each.in" "../vpcflow/stack/data/$each.txt" --no-deps --no-annotate "$@"
done
