/* The flags that steer every answer of a command, by control vectors, features of autoencoders, experts. A command parses steer_flags()
 * with its own, calls steer_flags_plan() before stoker_open() and steer_flags_open() after it, and calls steer_flags_close() before
 * stoker_close(): so for each engine, and at the end steer_flags_free(). Requests are given list [n_list].
 *
 * Of folders without cfg.json --sae-arch and --sae-layer tell what that would.
 *
 * Without --steer the list is in this order: --control-vector, --control-vector-scaled, --project, each in the order in which they were
 * given; then --routes. Autoencoders (--sae) stand behind them; their features are on the list only where --steer names them. */
#ifndef CLI_COMMON_STEER_FLAGS_H
#define CLI_COMMON_STEER_FLAGS_H

#include "cli/common/flags.h"

struct steer_flags {
    struct text_list add, scaled, project, sae;
    int layers[2]; /* 0, 0: those of the files */
    uint64_t memory;
    const char *steer;  /* steer_json.h; NULL: every vector once */
    const char *routes; /* a trace's path, or NULL */
    int keeps_sae;      /* by the command: 1: an autoencoder is of use to it without --steer */
    const char *gate;   /* of folders without cfg.json; NULL: they have it */
    int layer;          /* with gate; -1: not given */

    struct {
        char *path; /* allocated */
        double scale;
        int has_scale, projects; /* projects: the flag says so, and the file must */
        int is_sae, is_routes;   /* a folder; a trace */
    } file[STOKER_STEER_MOST];
    struct stoker_vector *vector[STOKER_STEER_MOST]; /* [n] as file */
    size_t n;
    struct stoker_steer list[STOKER_STEER_MOST]; /* [n_list] */
    int of[STOKER_STEER_MOST];                   /* [n_list] which file it is; -1: none, but experts of its own: */
    struct {
        struct stoker_expert_bias *list; /* [n] allocated */
        size_t n;
        struct stoker_vector *vector;
    } experts[STOKER_STEER_MOST]; /* [n_list] */
    size_t n_list;
    int shown;
    char arch[sizeof((struct stoker_about *)0)->arch], name[sizeof((struct stoker_about *)0)->name]; /* of the model */
    char stem[256];                                                                                  /* its file's */
};

/* Static: of one *f at a time. */
struct flag_table steer_flags(struct steer_flags *f);
struct flag_table steer_flags_sae(struct steer_flags *f); /* the same with --sae */

/* Reads the flags and the headers of the files: o->steer_memory; and of the model, to tell of vectors that were made for another: NULL:
 * nothing is told. 0, or the exit status after a sentence. */
int steer_flags_plan(const char *command, struct steer_flags *f, const char *model, struct stoker_options *o);

/* Opens the files and, the first time, shows a line of each. -1 with *err: none is open. */
int steer_flags_open(const char *command, struct steer_flags *f, struct stoker *s, struct stoker_error *err);

void steer_flags_close(struct steer_flags *f); /* the vectors; a zeroed one is fine */
void steer_flags_free(struct steer_flags *f);  /* all of it */

#endif
