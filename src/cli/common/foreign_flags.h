/* Flags that people know from other programs (llama.cpp, ollama): what each is called here, whether it says what stoker does anyway, or
 * why it means nothing here. */
#ifndef CLI_COMMON_FOREIGN_FLAGS_H
#define CLI_COMMON_FOREIGN_FLAGS_H

#include <stddef.h>

enum foreign_value {
    FOREIGN_NO_VALUE,
    FOREIGN_VALUE,
    FOREIGN_SWITCH /* maybe "on", "off", "auto", "1", "0" behind it */
};

struct foreign_flag {
    const char *names; /* "-c|--ctx-size" */
    enum foreign_value value;
    const char *same;   /* the flag that it is here, whose own row says why a command has it not; NULL: none */
    const char *always; /* "|on|1|": values that ask for what stoker does anyway, "|" for none given; NULL: none does */
    /* The end of a sentence "NAME: ...", for all other values; NULL: there is an equal. With `same`, a FLAG_TEXT: the names are two flags
     * there, and why these cannot have two values. */
    const char *why;
    const char *beside; /* "-p|--prompt": flags of which one must be there too for what `always` says; NULL: none */
};

extern const struct foreign_flag foreign_flags[];
extern const size_t foreign_flags_n;

/* 1: names, "-c|--ctx-size", hold this one. */
int foreign_names_hold(const char *names, const char *name, size_t n);
/* A static row; NULL: no such name. */
const struct foreign_flag *foreign_flag_find(const char *name, size_t n);
/* 1: value (NULL: none) asks for what stoker does anyway. */
int foreign_flag_is_always(const struct foreign_flag *f, const char *value);
/* 1: the argument behind a FOREIGN_SWITCH is its value. */
int foreign_switch_word(const char *argument);

#endif
