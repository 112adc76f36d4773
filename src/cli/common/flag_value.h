/* The value of a flag, from its text: the same for command lines, files of settings and the environment; its name and its types in those
 * files. */
#ifndef CLI_COMMON_FLAG_VALUE_H
#define CLI_COMMON_FLAG_VALUE_H

#include "cli/common/flags.h"

/* Sets *f->to, which may point into v from then on. Of a switch v is "", "on" or "true", or "off" or "false". -1: v is none of its
 * values. */
int flag_set(const struct flag *f, const char *v);

/* 1: all of text [n] are values of it, which is not set. */
int flag_can_be(const struct flag *f, const char *const *text, size_t n);

/* The end of a sentence, what values there are: "on or off", in out. */
const char *flag_possible(const struct flag *f, char *out, size_t cap);

/* The name that is shown: with two dashes, where there is one. */
const char *flag_long_name(const struct flag *f);

/* "--max-tokens" without dashes, as files have it. */
const char *flag_bare(const char *name);

/* Which types of TOML it takes, as bits: 1 << enum toml_type. */
unsigned flag_toml_types(const struct flag *f);

#endif
