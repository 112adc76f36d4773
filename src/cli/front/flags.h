/* Flags of a server's HTTP front, which serve and mcp have in common: who may ask, and limits. */
#ifndef CLI_FRONT_FLAGS_H
#define CLI_FRONT_FLAGS_H

#include "cli/common/flags.h"
#include "server/server.h"

/* Values whose form is not that of the fields of struct server_options. */
struct front_flags {
    struct text_list key, cors, allow;
    const char *key_file;
};

/* They go on with the group that stands before them in --help. Static: of one pair at a time. */
struct flag_table front_flags(struct server_options *o, struct front_flags *f);

/* Puts *f, which lives as long as the server, into *o. 0, or the exit status after a sentence on stderr. */
int front_flags_take(const char *command, struct front_flags *f, struct server_options *o);

/* 0: each may stand on the command line. An empty text is what a variable that is not set becomes: it must neither be a key nor stand for
 * one. No header carries a control character. -1 after a sentence on stderr. */
int front_check_texts(const char *command, const char *flag, const struct text_list *l);

struct http_texts front_texts(const struct text_list *l);

#endif
