/* Models of which only the beginning is here, for commands that need no more than headers. */
#ifndef CLI_COMMON_HEADER_H
#define CLI_COMMON_HEADER_H

/* The path of a model as the user named it. "-" is standard input, which is made a file that can be opened more than once, and
 * *header_only is set. NULL: after a sentence on stderr. */
const char *header_path(const char *model, int *header_only);

#endif
