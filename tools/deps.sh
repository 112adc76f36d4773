#!/bin/sh
# What stoker needs besides git and make: a C compiler, eleven libraries with their headers, and xz, which unpacks the tests' data.
#
#   sh tools/deps.sh           installs what is missing (apt; sudo only when needed); silent when nothing is
#   sh tools/deps.sh --check   installs nothing; one sentence and status 1 when something is missing
#   sh tools/deps.sh arm       what compiling for arm64 and running that needs besides (Debian, Ubuntu)
#
# Present means: the compiler finds the header, the shell the program. The package manager is asked only when one is not found.
set -u

# header                  Debian, Ubuntu   Fedora           Arch            library
needs='
liburing.h                liburing-dev     liburing-devel   liburing        uring
pcre2.h                   libpcre2-dev     pcre2-devel      pcre2           pcre2-8
jansson.h                 libjansson-dev   jansson-devel    jansson         jansson
xxhash.h                  libxxhash-dev    xxhash-devel     xxhash          xxhash
zlib.h                    zlib1g-dev       zlib-devel       zlib            z
histedit.h                libedit-dev      libedit-devel    libedit         edit
zstd.h                    libzstd-dev      libzstd-devel    zstd            zstd
lzma.h                    liblzma-dev      xz-devel         xz              lzma
md4c.h                    libmd4c-dev      md4c-devel       md4c            md4c
sqlite3.h                 libsqlite3-dev   sqlite-devel     sqlite          sqlite3
cmocka.h                  libcmocka-dev    libcmocka-devel  cmocka          cmocka
'

has_programs() { command -v make >/dev/null 2>&1 && command -v xz >/dev/null 2>&1; }

compiler() {
    for c in "${CC:-}" gcc clang cc; do
        [ -n "$c" ] && command -v "${c%% *}" >/dev/null 2>&1 && echo "$c" && return
    done
    return 1
}

# finds HEADER...: the compiler, given the definitions that these headers ask for, reads them all
finds() {
    {
        echo '#define PCRE2_CODE_UNIT_WIDTH 8'
        printf '#include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h "$@"
    } | $cc -std=c11 -D_GNU_SOURCE -fsyntax-only -x c - >/dev/null 2>&1
}

headers=$(echo "$needs" | awk 'NF { print $1 }')
column=2 # also where no package manager is known: Debian's names say what to look for
manager=none
for m in apt-get:2 dnf:3 pacman:4; do
    command -v "${m%:*}" >/dev/null 2>&1 && manager=${m%:*} column=${m#*:} && break
done

# apt-get as root; as_root says with what
become_root() {
    as_root=
    [ "$(id -u)" -eq 0 ] && return
    as_root=sudo
    if ! command -v sudo >/dev/null 2>&1; then
        echo "stoker needs$missing and there is no sudo; run as root: apt-get install$missing" >&2
        exit 1
    fi
}
apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o=Dpkg::Use-Pty=0 "$@" >/dev/null; }

# The cross compiler, the libraries of arm64 beside ours, and the emulator.
if [ "${1:-}" = arm ]; then
    cc=aarch64-linux-gnu-gcc
    emulator() { command -v qemu-aarch64 >/dev/null 2>&1 || command -v qemu-aarch64-static >/dev/null 2>&1; }
    # headers of this machine's libraries are found too: only the linker knows whether those of arm64 are there
    complete() {
        libraries=$(echo "$needs" | awk 'NF { print "-l" $5 }')
        finds $headers && echo 'int main(void) { return 0; }' | $cc -x c -o /dev/null - $libraries >/dev/null 2>&1
    }
    command -v $cc >/dev/null 2>&1 && complete && emulator && exit 0
    missing=" gcc-aarch64-linux-gnu libc6-dev-arm64-cross$(echo "$needs" | awk 'NF { printf " %s:arm64", $2 }')"
    emulator || missing="$missing qemu-user"
    if [ $manager != apt-get ]; then
        echo "compiling for arm64 needs$missing (Debian's names), which only apt-get installs here" >&2
        exit 1
    fi
    become_root
    echo "installing$missing" >&2
    $as_root dpkg --add-architecture arm64 && apt update && apt install -y --no-install-recommends $missing && complete && exit 0
    echo "installing$missing failed; see apt's messages above" >&2
    exit 1
fi

missing=
if cc=$(compiler) && finds; then
    finds $headers && has_programs && exit 0
    for h in $headers; do
        finds "$h" || missing="$missing $(echo "$needs" | awk -v h="$h" -v c=$column '$1 == h { print $c }')"
    done
else # no compiler, or one without the C library's headers
    missing=" gcc$([ $manager = apt-get ] && echo ' libc6-dev')$(echo "$needs" | awk -v c=$column 'NF { printf " %s", $c }')"
fi
command -v make >/dev/null 2>&1 || missing="$missing make"
command -v xz >/dev/null 2>&1 || missing="$missing xz$([ $manager = dnf ] || [ $manager = pacman ] || echo -utils)"
[ -n "$missing" ] || exit 0

if [ "${1:-}" = --check ]; then
    echo "stoker needs$missing, which this machine lacks; run: sh tools/deps.sh" >&2
    exit 1
fi
case $manager in
apt-get) ;;
dnf) echo "stoker needs$missing; run: sudo dnf install$missing" >&2 && exit 1 ;;
pacman) echo "stoker needs$missing; run: sudo pacman -S --needed$missing" >&2 && exit 1 ;;
*) echo "stoker needs$missing (Debian's names); install them with this system's package manager" >&2 && exit 1 ;;
esac

become_root
echo "installing$missing" >&2
# Lists that are empty do not know the packages; lists that are old name files that are gone.
apt-cache show $missing >/dev/null 2>&1 || apt update
apt install -y --no-install-recommends $missing || { apt update && apt install -y --no-install-recommends $missing; } || {
    echo "installing$missing failed; see apt's messages above" >&2
    exit 1
}
cc=$(compiler) && finds $headers || {
    echo "the compiler still does not find all of:$(printf ' <%s>' $headers); is CC=${CC:-} right?" >&2
    exit 1
}
