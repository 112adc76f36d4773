#!/bin/sh
# The archives of tests/data: folders of test data, each packed as NAME.tar.xz.
#
#   sh tools/data.sh unpack DIR ARCHIVE...     into DIR; make calls it: build/data is tests/data unpacked
#   sh tools/data.sh pack DIR NAME...          tests/data/NAME.tar.xz from DIR/NAME; golden/NAME: a model of DIR/golden, its
#                                              reference and its trace
#
# To change a case: edit it in build/data, run the test, then `sh tools/data.sh pack build/data NAME`. The same files give the same
# archive. What the folders hold, and what made them: the README beside the archives.
set -eu
cd "$(dirname "$0")/.."

below() { # below ARCHIVE: where its content belongs, as a folder of DIR
    case $1 in
    */golden/*) echo golden ;;
    *) echo . ;;
    esac
}

unpack() {
    for archive; do
        case $archive in
        *.tar.xz)
            mkdir -p "$dir/$(below "$archive")"
            xz -dc "$archive" | tar -xf - -C "$dir/$(below "$archive")"
            ;;
        *) mkdir -p "$dir/golden" && cp "$archive" "$dir/golden/" ;; # the list of the goldens lies open
        esac
    done
}

pack() {
    for name; do
        case $name in
        # Weights have 8 significant bits: two bytes of each four are zero, and LZMA's positions modulo 4 see that.
        golden/*)
            model=${name#golden/} from=$dir/golden filter=lc=1,lp=2,pb=2
            set -- "$model.gguf" "$model.ref"
            [ ! -e "$from/trace/$model.json" ] || set -- "$@" "trace/$model.json"
            [ ! -e "$from/$model.nextn.ref" ] || set -- "$@" "$model.nextn.ref"
            ;;
        embeddings) from=$dir filter=lc=1,lp=2,pb=2 && set -- "$name" ;;
        *)
            from=$dir filter=lc=3,lp=0,pb=2
            set -- "$name"
            ;;
        esac
        tar -C "$from" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=2026-01-01Z -cf - "$@" |
            xz -c -T1 --lzma2=preset=9e,nice=273,$filter >"tests/data/$name.tar.xz"
    done
}

what=$1 dir=$2
shift 2
"$what" "$@"
