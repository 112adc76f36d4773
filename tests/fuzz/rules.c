/* links: quant machine kernel format base
 *
 * Fuzz target: a file of rules. Whatever the bytes are, reading it ends with rules whose types can be written, each of which matches a name
 * or does not within bounded work, or with a sentence. Seeds: published mixes, layers, a base. */
#include "quant/rules.h"

#include "base/error.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static int is_type(int type)
{
    return type == QUANT_KEEP || (type >= 0 && type < TYPE_COUNT && type_info((uint32_t)type)->decode);
}

static void check(struct rules *r, struct error *err)
{
    static const char *const names[] = {"token_embd.weight", "blk.12.ffn_down_exps.weight", "blk.0.attn_q.weight"};
    require((r->flag_base < 0) && (r->file_base < 0 || is_type(r->file_base)));
    for (int i = 0; i < r->n; i++) {
        const struct rule *rule = &r->rule[i];
        require(is_type(rule->type) && rule->code && rule->text[0] && rule->where[0]);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            int matches = -1;
            if (rule_matches(r, rule, names[k], &matches, err)) {
                require(err->code == ERR_INPUT && err->text[0]);
                return; /* as a run does */
            }
            require(matches == 0 || matches == 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.rules", 0);
    char path[64];
    struct rules r;
    struct arena arena;
    struct error err = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct quant_options o = {.in = "in", .out = "out", .recipe = path};
    arena_init_growing(&arena);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        if (rules_read(&r, &o, &arena, &err) == 0)
            check(&r, &err);
        else
            require(err.code != ERR_NONE && err.text[0]);
        rules_end(&r);
    }
    arena_free(&arena);
    close(fd);
    return 0;
}
