# stoker: one plain Makefile, gcc or clang, C11.
#
#   make            the program: build/stoker
#   make demo       installs what is missing, builds, answers a prompt with experts streaming from disk
#   make check      installs what is missing, builds, runs all tests
#   make bench      kernel rates and the roofs of this machine
#   make asan       everything again under AddressSanitizer and UBSan, tests included; make asan-memory: the tests that look for memory
#   make check-arm  the program for arm64, emulated: the same bits as here
#   make clang      everything by clang, in build-clang
#   make drafts-whole  200 requests by chance a model, with drafts of every source: the same answers as without
#   make steer-whole  the laws of steering of every golden, at every place, in 40 orders of arrival
#   make fuzz-NAME  tests/fuzz/NAME.c for ten minutes; fuzz-build: builds all of them
#   make tidy       include layers, include circles, formatting
#   make install    PREFIX=/usr/local DESTDIR=: program, model, manual, completions, unit of systemd, and its key where systemd runs and DESTDIR is empty;
#                   make uninstall
#   make deb        a Debian package of them
#
# V=1 shows the commands; BUILD=, CC=, OPT=, SAN=, CFLAGS=, LDFLAGS= vary the build.
# Objects follow the sources: src/text/jinja/eval.c -> build/obj/text/jinja/eval.o; one archive a layer.

ifeq ($(origin CC),default)
CC := $(notdir $(or $(shell command -v gcc),$(shell command -v clang),cc))
endif
# What the compiler compiles for: x86_64, aarch64. Tools that run while we build are compiled for this machine.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
HOST_CC ?= $(CC)
BUILD  ?= build
PREFIX ?= /usr/local
OPT    ?= -O2
SAN    ?=
SANITIZE = $(SAN)

WARN    = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
# No contraction: a fused multiply-add appears only where the source says fma.
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -Isrc -Iinclude -I$(BUILD)/gen $(WARN) -g $(OPT) -ffp-contract=off -fno-math-errno \
          -fno-strict-aliasing -pthread $(SANITIZE) $(CFLAGS)
say     = $(if $(V),,@echo "  $1 $@" &&)
LIBS    = $(LDFLAGS) -luring -lpcre2-8 -ljansson -lxxhash -lz -lzstd -llzma -lmd4c -lsqlite3 -lm

# The scalar tier is the law: no tier flags, no vectoriser (gcc 12 miscompiles scalar int8 sums with them).
TIER =
# Fuzzing is about what parses: it takes the kernels without instrumentation (clang needs half an hour for them with it). ThreadSanitizer
# is about what threads share: it takes the arithmetic, and what compiles and reads languages for one thread at a time, without (make tsan).
$(BUILD)/obj/kernel/%.o: SANITIZE = $(or $(SAN_KERNEL),$(SAN))
$(foreach r,constraint grammar jinja regex schema,$(BUILD)/obj/text/$r/%.o): SANITIZE = $(or $(SAN_TEXT),$(SAN))
# Sanitizers on vector code at -O3 take minutes a file to compile.
FAST = $(if $(SAN),-O1,-O3)
$(BUILD)/obj/quant/search_scalar.o: TIER = $(FAST)
$(BUILD)/obj/kernel/scalar/%.o: TIER = -O2 -fno-tree-vectorize -fno-tree-slp-vectorize $(FMA)
ifeq ($(MACHINE),x86_64)
# Under sanitizers, whose programs run where they are built, fmaf is an instruction if this CPU has it: the same bits, without a call each.
FMA = $(if $(SAN),$(shell grep -qw fma /proc/cpuinfo && echo -mfma))
$(BUILD)/obj/kernel/avx2/%.o:   TIER = $(FAST) -mavx2 -mfma -mf16c
$(BUILD)/obj/kernel/avx2/attn_any.o: TIER = $(FAST) -mavx2 -mfma
$(BUILD)/obj/quant/search_avx2.o: TIER = $(FAST) -mavx2 -mfma
$(BUILD)/obj/quant/search_avx512.o: TIER = $(FAST) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
$(BUILD)/obj/kernel/avxvnni/%.o: TIER = $(FAST) -mavx2 -mfma -mf16c -mavxvnni
$(BUILD)/obj/kernel/avxvnni/evex.o: TIER = $(FAST) -mavx2 -mfma -mf16c -mavx512f -mavx512vl -mavx512vnni
$(BUILD)/obj/kernel/avx512/%.o: TIER = $(FAST) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c -mbmi2
endif
ifeq ($(MACHINE),aarch64)
$(BUILD)/obj/kernel/neon/%.o:   TIER = $(FAST) -march=armv8.2-a+dotprod
$(BUILD)/obj/kernel/i8mm/%.o:   TIER = $(FAST) -march=armv8.2-a+dotprod+i8mm
endif

LAYERS  = cli server eval study quant toolbox bridge mcp library engine text model store op machine kernel format base
# link order: every layer before the layers it uses
ENGINE  = $(call archive,engine text model store op machine kernel format base)
archive = $(foreach l,$1,$(BUILD)/lib$l.a)
objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/$1/*.c src/$1/*/*.c))

UNITS    = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*/*.c tests/unit/*/*/*.c))
DRIVERS  = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*.c))
EXAMPLES = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))

# The first build of a fresh clone uses all cores, unless -j was given.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

all: $(BUILD)/stoker $(EXAMPLES)

$(BUILD)/stoker: $(call objects,cli) $(BUILD)/libserver.a $(BUILD)/libeval.a $(BUILD)/libstudy.a $(BUILD)/libquant.a $(BUILD)/libtoolbox.a $(BUILD)/libbridge.a $(BUILD)/libmcp.a $(BUILD)/liblibrary.a $(ENGINE)
	$(call say,link) $(CC) -pthread $(SAN) -o $@ $^ $(LIBS) -ledit

$(BUILD)/obj/%.o: src/%.c Makefile | deps-check
	@mkdir -p $(@D)
	$(call say,cc) $(COMPILE) $(TIER) -MMD -MP -c -o $@ $<

# The page at /: one document in a header, made by a tool that runs while we build, and the parts that it loads when it needs them.
PAGE_PARTS = third_party/katex/katex.min.js third_party/katex/katex.min.css third_party/highlight.js/highlight.min.js \
             $(sort $(wildcard third_party/katex/fonts/*.woff2 src/server/own/page/later/*.js src/server/own/page/later/*.css))
$(BUILD)/tools/page: tools/page.c src/base/sha256.c src/base/sha256.h | deps-check
	@mkdir -p $(@D)
	$(call say,cc) $(HOST_CC) -std=c11 -Isrc $(WARN) -O1 -o $@ tools/page.c src/base/sha256.c
$(BUILD)/gen/server/own/page_data.h: $(BUILD)/tools/page $(wildcard src/server/own/page/*) $(PAGE_PARTS)
	@mkdir -p $(@D)
	$(call say,make) $< src/server/own/page/index.html $(PAGE_PARTS) >$@.part && mv $@.part $@
$(BUILD)/obj/server/own/page.o: $(BUILD)/gen/server/own/page_data.h

# Scripts of shells as C literals.
$(BUILD)/gen/cli/completion_%.h: src/cli/completion/stoker.%
	@mkdir -p $(@D)
	$(call say,make) sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/obj/cli/cmd_completion.o: $(foreach s,bash zsh fish,$(BUILD)/gen/cli/completion_$s.h)

# q, not r: rooms may have files of the same name, and members of an archive are named without their folder.
define layer_rule
$(BUILD)/lib$1.a: $(call objects,$1)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,ar) ar qcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$l)))

# What tests read: the archives of tests/data, unpacked once, and again when they change.
DATA = $(BUILD)/data
$(DATA)/unpacked: $(wildcard tests/data/*.tar.xz tests/data/golden/*.tar.xz) tests/data/golden/INDEX.json | deps-check
	@mkdir -p $(@D)
	$(call say,unpack) sh tools/data.sh unpack $(@D) $? && touch $@

# A test names the layers that it links, in link order, in its first line: /* links: format base */
links = $(call archive,$(shell sed -n '1s,.*links: \([a-z ]*\).*,\1,p' $1))
.SECONDEXPANSION:
$(UNITS) $(DRIVERS): $(BUILD)/tests/%: tests/%.c Makefile $$(call links,tests/$$*.c) | deps-check $(DATA)/unpacked
	@mkdir -p $(@D)
	$(call say,cc) $(COMPILE) -Itests -DTEST_DATA='"$(DATA)"' -MMD -MP -MT $@ -MF $@.d -o $@ $< $(filter %.a,$^) -lcmocka $(LIBS)

$(EXAMPLES): $(BUILD)/examples/%: examples/%.c Makefile $(ENGINE) | deps-check
	@mkdir -p $(@D)
	$(call say,cc) $(COMPILE) -MMD -MP -MT $@ -MF $@.d -o $@ $< $(ENGINE) $(LIBS)

tests: all $(UNITS) $(DRIVERS)
# Of them what tests/check.sh --memory runs.
tests-memory: all $(UNITS) $(patsubst %,$(BUILD)/tests/%,$(sort $(shell sed -n 's/^+ \([a-z_]*\).*/\1/p' tests/check.sh)))

deps:
	@CC="$(CC)" sh tools/deps.sh
deps-check:
	@CC="$(CC)" sh tools/deps.sh --check

demo: deps
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@sh tools/demo.sh $(BUILD)/stoker

check: deps
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@BUILD=$(BUILD) sh tests/check.sh

bench: $(BUILD)/tests/kernels
	$(BUILD)/tests/kernels --bench

# -g1: reports name lines, and linking takes half as long as with all that a debugger wants.
ASAN = BUILD=build-asan OPT="-O1 -g1 -fno-omit-frame-pointer" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"
asan:
	@WALKS=20 $(MAKE) --no-print-directory $(ASAN) check
asan-memory: deps
	@$(MAKE) --no-print-directory $(PARALLEL) $(ASAN) tests-memory
	@WALKS=5 BUILD=build-asan sh tests/check.sh --memory

# The other compiler: what it warns of, and programs whose bits are compared with those of the first.
CLANG = CC=clang BUILD=build-clang OPT="-O0 -g0"
clang:
	@$(MAKE) --no-print-directory $(PARALLEL) $(CLANG) tests

# The program and its kernels for arm64 on Debian, by its cross compiler, and run by qemu.
ARM_UNITS = unit/base/coroutine unit/base/cpu unit/base/file unit/base/half unit/base/sha256 unit/op/attention unit/op/moe \
            unit/op/recur unit/op/rows unit/store/reader unit/store/weights
ARM_TESTS = tests/kernels tests/golden tests/encode
check-arm: deps
	@sh tools/deps.sh arm
	@$(MAKE) --no-print-directory $(PARALLEL) $(BUILD)/stoker $(ARM_TESTS:%=$(BUILD)/%)
	@$(MAKE) --no-print-directory $(PARALLEL) BUILD=build-arm CC=aarch64-linux-gnu-gcc HOST_CC="$(CC)" \
	    build-arm/stoker $(ARM_TESTS:%=build-arm/%) $(ARM_UNITS:%=build-arm/tests/%)
	@UNITS="$(ARM_UNITS)" sh tests/check_arm.sh $(BUILD) build-arm

# The store, the queues and the laws under ThreadSanitizer: all of them, whatever fails. Laws of one model for each kind of loop that
# threads share: a model takes a minute or two.
TSAN_TESTS = unit/base/pool unit/base/queue unit/base/coroutine unit/text/constraint/state_mask unit/store/reader \
             unit/store/reader_drives unit/store/expert_store unit/store/expert_sweep unit/engine/prefix/disk unit/engine/schedule \
             unit/engine/constraint_cache unit/server/server prefix serve serve_memory serve_constraints
TSAN_LAWS  = qwen3moe gpt-oss-mxfp4 qwen35moe deepseek2-v3 deepseek4 glm-dsa-sparse kimi-linear nemotron_h_moe-latent gemma4-moe
TSAN_WITHOUT = SAN_KERNEL=-fno-sanitize=all SAN_TEXT=-fno-sanitize=all
tsan:
	@$(MAKE) --no-print-directory $(PARALLEL) BUILD=build-tsan SAN=-fsanitize=thread $(TSAN_WITHOUT) \
	    $(addprefix build-tsan/tests/,$(TSAN_TESTS) laws) build-tsan/stoker
	@failed=; run() { STOKER=build-tsan/stoker build-tsan/tests/"$$@" || failed="$$failed $$1"; }; \
	    for t in $(TSAN_TESTS); do run $$t; done; run laws $(TSAN_LAWS:%=build-tsan/data/golden/%.gguf); \
	    [ -z "$$failed" ] || { echo "failed under ThreadSanitizer:$$failed"; exit 1; }

# Coverage-guided fuzzing of what parses: make fuzz-gguf, FUZZ_SECONDS=600 by default. Inputs that crashed are kept in
# tests/fuzz/NAME/, with the others that found something new.
FUZZ_FLAGS = CC=clang BUILD=build-fuzz OPT="-O1 -g1" SAN_KERNEL=-fno-sanitize=all \
             SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
fuzz-%:
	@$(MAKE) --no-print-directory $(FUZZ_FLAGS) build-fuzz/fuzz/$*
	@mkdir -p tests/fuzz/$* build-fuzz/corpus/$*
	build-fuzz/fuzz/$* -max_total_time=$${FUZZ_SECONDS:-600} -rss_limit_mb=4096 -timeout=10 \
	    -artifact_prefix=tests/fuzz/$*/crash- build-fuzz/corpus/$* tests/fuzz/$*

# All of them, built and not run: a target that nobody builds stops compiling. One of few sources is built as fuzz-NAME builds it; all take
# what make clang has built, so that src is not compiled with sanitizers once more.
FUZZ_TARGETS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
fuzz-build:
	@$(MAKE) --no-print-directory $(PARALLEL) $(CLANG) fuzz-targets
	@$(MAKE) --no-print-directory $(PARALLEL) $(FUZZ_FLAGS) build-fuzz/fuzz/vector
fuzz-targets: $(FUZZ_TARGETS)

$(BUILD)/fuzz/%: tests/fuzz/%.c Makefile $$(call links,tests/fuzz/$$*.c) | deps-check
	@mkdir -p $(@D)
	$(call say,cc) $(COMPILE) -fsanitize=fuzzer -Itests -MMD -MP -MT $@ -MF $@.d -o $@ $< $(filter %.a,$^) $(LIBS)

# Random budgets, prompts and cancellations, 30 minutes (SOAK_SECONDS): the same bits at the end, nothing leaked.
soak: tests
	$(BUILD)/tests/soak $${SOAK_SECONDS:-1800}

# A server with 64 clients, 30 minutes (LOAD_SECONDS), and one that is killed 200 times (CRASH_ROUNDS).
load: tests
	$(BUILD)/tests/load $${LOAD_SECONDS:-1800}
	$(BUILD)/tests/server_crash $${CRASH_ROUNDS:-200}

# A server whose chats search a library and call tools of MCP servers, 1,000 of them (SOAK_CHATS): nothing is left, memory does not grow.
library-soak: $(BUILD)/stoker $(BUILD)/tests/library_soak
	STOKER=$(BUILD)/stoker $(BUILD)/tests/library_soak $${SOAK_CHATS:-1000}

# The law of drafts with 200 requests a model, which make check has with 10; a line a model as it ends. MODELS: some of them.
drafts-whole: $(BUILD)/tests/drafts
	$(BUILD)/tests/drafts --whole -t law $(MODELS)

# The laws of steering of every golden at every place, in 40 orders of arrival, where make check deals orders and places; a line a law as it ends.
steer-whole: $(BUILD)/tests/steer_laws
	$(BUILD)/tests/steer_laws --whole

tidy:
	@sh tests/tidy.sh

# What is installed: install puts it there, uninstall takes it away; keys and caches stay.
BIN   = $(PREFIX)/bin
SHARE = $(PREFIX)/share
UNIT  = $(PREFIX)/lib/systemd/system
INSTALLED = $(BIN)/stoker $(SHARE)/stoker/ember.gguf $(SHARE)/doc/stoker/copyright $(SHARE)/man/man1/stoker.1 $(SHARE)/bash-completion/completions/stoker \
            $(SHARE)/zsh/site-functions/_stoker $(SHARE)/fish/vendor_completions.d/stoker.fish $(UNIT)/stoker.service

install: all
	install -D -m 755 $(BUILD)/stoker $(DESTDIR)$(BIN)/stoker
	install -D -m 644 models/ember/ember.gguf $(DESTDIR)$(SHARE)/stoker/ember.gguf
	install -d $(DESTDIR)$(SHARE)/doc/stoker
	(cat LICENSE && for l in katex highlight.js; do printf '\n%s, a part of the page:\n\n' $$l && cat third_party/$$l/LICENSE || exit 1; done) \
	    >$(DESTDIR)$(SHARE)/doc/stoker/copyright
	chmod 644 $(DESTDIR)$(SHARE)/doc/stoker/copyright
	install -D -m 644 packaging/stoker.1 $(DESTDIR)$(SHARE)/man/man1/stoker.1
	install -D -m 644 src/cli/completion/stoker.bash $(DESTDIR)$(SHARE)/bash-completion/completions/stoker
	install -D -m 644 src/cli/completion/stoker.zsh $(DESTDIR)$(SHARE)/zsh/site-functions/_stoker
	install -D -m 644 src/cli/completion/stoker.fish $(DESTDIR)$(SHARE)/fish/vendor_completions.d/stoker.fish
	install -d $(DESTDIR)$(UNIT)
	sed 's,@BIN@,$(BIN),' packaging/stoker.service >$(DESTDIR)$(UNIT)/stoker.service
	chmod 644 $(DESTDIR)$(UNIT)/stoker.service
	if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	    if [ -w /etc ]; then sh packaging/key.sh; else echo "the service needs a key: sudo sh packaging/key.sh"; fi; fi

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(DESTDIR)$(SHARE)/stoker $(DESTDIR)$(SHARE)/doc/stoker

# build/stoker_VERSION_ARCH.deb
deb: all
	@sh tools/deb.sh $(BUILD)

clean:
	rm -rf build build-arm build-asan build-clang build-fuzz build-tsan

-include $(foreach l,$(LAYERS),$(patsubst %.o,%.d,$(call objects,$l))) $(patsubst %,%.d,$(UNITS) $(DRIVERS) $(EXAMPLES) $(FUZZ_TARGETS))
.PHONY: all tests tests-memory clang fuzz-build fuzz-targets deps deps-check demo check check-arm bench asan asan-memory tsan soak load library-soak drafts-whole steer-whole tidy install uninstall deb clean
