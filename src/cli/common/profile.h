/* Profiles: the settings that stoker tune found fastest, for a model on this machine under a budget. They change no bit of an answer, but
 * for the type of keys and values: that is in a profile only where a person has asked for it, in a table of its own, and it is said
 * whenever the profile is taken. What a person sets is over them. A file each, $XDG_CONFIG_HOME/stoker/profiles/MODEL-MACHINE-BUDGET.toml;
 * one that is cut, of another version, machine or model is named and left alone, and the next one, with -2, -3 ... behind its name, is
 * used. */
#ifndef CLI_COMMON_PROFILE_H
#define CLI_COMMON_PROFILE_H

#include "stoker.h"

#include <limits.h>

enum { PROFILE_VERSION = 1 };
enum { PROFILE_VALUE = 16, PROFILE_PROCESSOR = 128, PROFILE_MACHINE = 200 }; /* bytes, with the 0 */
/* PROFILE_KV changes answers; all others do not. */
enum { PROFILE_THREADS, PROFILE_CHUNK, PROFILE_READER, PROFILE_DEPTH, PROFILE_SPIN, PROFILE_KV, PROFILE_SETTINGS };
extern const char *const profile_setting
    [PROFILE_SETTINGS]; /* "threads", "chunk", "reader", "reader-depth", "spin", "kv": flags without dashes */

/* What a search stands on, for who reads the file: pairs of runs that judge, tokens of a run, values that were tried. */
struct profile_basis {
    int pairs, tokens, values;
};

struct profile {
    char value[PROFILE_SETTINGS][PROFILE_VALUE]; /* "": the default */
    struct profile_basis basis;
};

/* Whom a profile is for. */
struct profile_key {
    char model[17];                /* hash, 16 digits */
    char machine[PROFILE_MACHINE]; /* as profile_machine() */
    char memory[24];               /* "6442450944", "min", "max", "default" */
};
/* What the kernel calls the processor, cut to fit; "": it does not say. */
void profile_processor(char out[PROFILE_PROCESSOR]);
/* This machine: processor, cores that may be used, tier of kernels. What is measured on it is in files with this name. */
void profile_machine(char out[PROFILE_MACHINE]);
/* memory: of the options. -1 with *err: the model's headers cannot be read. */
int profile_key(struct profile_key *out, const char *model, uint64_t memory, struct stoker_error *err);

/* 1: it sets something. */
int profile_sets(const struct profile *p);

/* Sets what *o leaves open as the profile for it says, and names the profile in a line on stderr; nothing where there is none or it sets
 * nothing, where settings are those of flags alone, and for a model from stdin. What does not fit with the other options is left out, and
 * said. */
void profile_take(const char *model, struct stoker_options *o);

/* Notes for settings.h what such a command will have of the profile for the settings that are noted: for showing them before it runs. What
 * would not fit is left out, as far as these settings tell. */
void profile_note(const char *model);

/* The profile for it, without its basis, and the path where it is or one is to be written. 1: *out is it; 0: there is none, and its folder
 * was made; -1 after a sentence on stderr: there is no place. Those that are left alone are named. */
int profile_find(struct profile *out, char path[PATH_MAX], const struct profile_key *key);

/* Whether a file can be made beside this path, where profile_write() makes it. -1 after a sentence on stderr. */
int profile_try_write(const char *path);

/* Writes it as a whole, in place of what is at this path. note: lines of comments, or "". -1 after a sentence on stderr. */
int profile_write(const char *path, const struct profile_key *key, const struct profile *p, const char *note);

#endif
