/* What a search of stoker tune knows so far, for its parts: sizes of runs (size.c), what seems faster (screen.c), what is (search.c). */
#ifndef CLI_TUNE_STATE_H
#define CLI_TUNE_STATE_H

#include "cli/tune/measure.h"
#include "cli/tune/promising.h"
#include "cli/tune/search.h"

enum { TUNE_NOTE_MOST = 8192 };

struct search {
    const struct tuning *of;
    struct profile_key key;
    struct measuring by;
    struct tune_budget budget;
    struct topology_set allowed;
    struct tune_case machine; /* with runs of this size */
    struct tune_values values;
    struct tune_promising promising;
    int is_cut;               /* something was left out for want of time */
    struct profile old, best; /* old: that is there; without settings: none */
    int n_types;              /* types of keys and values that are asked for */
    char path[PATH_MAX];
    char *digest;              /* of the defaults' outputs; NULL: not known */
    double proof;              /* seconds that proving other outputs equal takes at most */
    double reference;          /* seconds of the last run of what is best */
    double spread;             /* the least ratio of two runs of the defaults, below 1 */
    char note[TUNE_NOTE_MOST]; /* what was tried, as comments */
};

/* Chooses how long runs are, and how many pairs there are. -1 after a sentence. p: the plan of the defaults. */
int tune_choose_runs(struct search *s, const struct stoker_plan *p);

/* Looks at the values from this one on, those of threads or the others, in rounds: at each of them, then at those that were fastest, as
 * long as there is time to compare them; what seems faster is in s->promising. */
void tune_screen(struct search *s, int from, int threads);

/* Seconds that are left for comparing what seems faster by so many pairs, and for types of keys and values. */
double tune_behind_looks(const struct search *s, int pairs);

/* The words of a profile, with another value of one setting; setting below 0: as it is. */
enum { TUNE_WORDS_MOST = 256, TUNE_NAME_MOST = 64 };
void tune_words(char out[TUNE_WORDS_MOST], const struct profile *p, int setting, const char *value);

/* A value in words, "without --x" for the default in place of what is best. */
void tune_name_value(char out[TUNE_NAME_MOST], const struct profile *best, const struct tune_value *v);

/* Says how it went with something, and keeps it as a comment of the profile. */
void tune_note(struct search *s, const char *what, const char *how);

#endif
