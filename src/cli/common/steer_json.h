/* --steer: the list that every answer is steered by, as a request of the server has it (docs/API.md), of vectors that other flags name.
 *
 *     --control-vector declines.gguf --steer '[{"vector":"declines","scale":2,"from":"generated"}]'
 *
 *     --sae layers.12 --steer '[{"sae":"layers.12","op":"add","feature":34,"value":4}]'
 *
 *     --steer '[{"experts":"exclude","list":[[3,17],[4,2]]}]'
 *
 *     --routes trace.strt --steer '[{"routes":"trace","from":"generated"}]'
 *
 * A vector is named by its file, without folder and ".gguf" or ".strt", or by its place among the flags, from 0; an autoencoder by
 * its folder, or its place behind all vectors. */
#ifndef CLI_COMMON_STEER_JSON_H
#define CLI_COMMON_STEER_JSON_H

#include "cli/common/steer_flags.h"

/* Reads f->steer, JSON or "@FILE", into f->list, f->of and f->experts; nothing is open yet. 0, or the exit status after a sentence. */
int steer_json_read(const char *command, struct steer_flags *f);

#endif
