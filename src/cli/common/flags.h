/* Command-line flags: one table a command, one parser for all, which takes what the command line leaves open from files and the environment
 * (settings.h). `--flag V` and `--flag=V` are the same, and `-n5` is `-n 5`; a flag has
 * one spelling (and sometimes a short one), with underscores for dashes if somebody prefers them. Flags of other programs are taken where
 * they have an equal (foreign_flags.h), `-m MODEL` as MODEL. What is wrong is reported in one sentence on stderr. Values that are texts
 * point into argv. */
#ifndef CLI_COMMON_FLAGS_H
#define CLI_COMMON_FLAGS_H

#include "stoker.h"

#include <stddef.h>

enum flag_kind {
    FLAG_SWITCH, /* int *: set to 1 */
    FLAG_DETAIL, /* int *: set to 1, or to 2 where =full is given, or "full" behind it */
    FLAG_INT,    /* int *, within [min, max] */
    FLAG_COUNT,  /* the same; 8k or 8K is 8192, 1M is 1048576 */
    FLAG_LIMIT,  /* int *, within [1, max], or 0 where -1 is given: no limit */
    FLAG_REAL,   /* double *, within [min, max] */
    FLAG_SEED,   /* struct stoker_sampling * */
    FLAG_TEXT,   /* const char ** */
    FLAG_WORD,   /* const char **: one of value's words, "strip|move|off", or a path, where FILE.gguf is one of them */
    FLAG_ON_OFF, /* const char **: "on" or "off", for which true and false are taken too; alone "on" */
    FLAG_BYTES,  /* uint64_t *, at least min: 6G, 5.5GiB, 800MB, min, max */
    FLAG_SLOTS,  /* struct stoker_options *: N[,N] */
    FLAG_LIST,   /* struct int_list *: 512,1024 or 16-64, 16-64+16, 16-64*2 */
    FLAG_TEXTS,  /* struct text_list *: one more each time */
    FLAG_RANGE   /* int [2], both within [min, max], the first not above the second: A B, or A-B */
};

enum { LIST_MOST = 64 };
struct int_list {
    int item[LIST_MOST], n;
};

enum { TEXTS_MOST = 256 };
struct text_list {
    const char *text[TEXTS_MOST];
    int n;
};

struct flag {
    const char *name, *other; /* "--ctx", "--context"; other may be NULL */
    enum flag_kind kind;
    void *to;                 /* where the value goes: see enum flag_kind */
    double min, max;          /* inclusive */
    const char *value, *help; /* for --help: "N", "positions a sequence"; help NULL: not shown */
    const char
        *usual; /* FLAG_INT, FLAG_COUNT, FLAG_SEED: what other programs' scripts write for the default; NULL: nothing */
    const char
        *same_as;  /* another flag that sets the same: on the command line one of them is as good as both; NULL: none */
    int is_secret; /* 1: its value is shown nowhere */
    const char *heading; /* of the group that begins with it in --help; NULL: it belongs to the group before it */
};

enum { FLAGS_DONE = -1 }; /* go on with the command */

/* What flags_parse() does: a command runs; its flags are noted for settings.h, and no more; what is set is printed, and no more. In the
 * last two it returns 0, and the command ends. */
enum flags_mode { FLAGS_RUN, FLAGS_LIST, FLAGS_PRINT };
void flags_set_mode(enum flags_mode mode);

/* Parse argv[1...] by the tables [n_table]; arguments that are no flags, at most max, go to rest [*n_rest]. Returns FLAGS_DONE, or the
 * exit status: 0 after --help (usage, then the tables, to stdout), 2 after a sentence, 1 where a file of settings cannot be read. A command
 * with n_table 0 takes no settings. One that opens a model, --memory says so, may have it from settings: then that is rest[0]. */
struct flag_table {
    const struct flag *flag;
    size_t n;
};
int flags_parse(const char *command, const char *usage, const struct flag_table *table, size_t n_table, int argc,
                char **argv, const char **rest, int max, int *n_rest);

/* "4.10 GiB", "12.5 MiB", "900 B" in one of eight static buffers, which are used in turn. One thread. */
const char *show_bytes(uint64_t n);
const char *show_limit(uint64_t n); /* of MiB and GiB rounded up: what is shown is enough */

/* The model that settings name for the command that was parsed, where the first argument may be something else; NULL: none. */
const char *flags_setting_model(void);

/* Where --print-config is given: the hash of the model, as 16 digits, or "" where the command has none; else NULL. */
const char *flags_print_config(void);

/* The flags of every command that opens a model, which set fields of *o. Static: of one *o at a time. */
struct flag_table model_flags(struct stoker_options *o);

#endif
