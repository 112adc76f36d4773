/* Reading what firmware lists: see modules.h. Sources: DSP0134 (SMBIOS) 3.7, 6.1.2 and 7.18; edac and its sysfs in the kernel's
 * Documentation/ABI/testing/sysfs-devices-edac.
 *
 *     table      structure, structure, ..., the one of type 127
 *     structure  type, length, handle (2); length - 4 bytes of fields; strings, each with a NUL, and one more NUL behind the last
 *
 * A field is there where the structure is long enough for it. Whatever the bytes are, nothing behind the table is read.
 *
 * Channels are not in it: boards name slots by them ("ChannelA-DIMM0" and "P0 CHANNEL A", "DIMM_A1"), and a name up to the channel's
 * letter is the channel's, so that those of two processors or controllers are apart ("DIMM_P1_A0"). Where a slot is named otherwise
 * channels are not known, and of one or two modules each counts as having one: two in the same one are worth being told of. What memory
 * controllers say is over names. */
#include "machine/modules.h"

#include "base/error.h"
#include "base/file.h"
#include "base/kernel_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD = 4, /* bytes of a structure before its fields */
    MEMORY_DEVICE = 17,
    END_OF_TABLE = 127,
    SLOTS_MOST = 256,
    TABLE_MOST = 1 << 20
};

/* Where fields of a memory device are. */
enum {
    DATA_WIDTH = 0x0a,
    SIZE = 0x0c,
    DEVICE_LOCATOR = 0x10,
    BANK_LOCATOR = 0x11,
    MEMORY_TYPE = 0x12,
    SPEED = 0x15,
    CONFIGURED_SPEED = 0x20,
    TECHNOLOGY = 0x28,
    EXTENDED_SPEED = 0x54,
    EXTENDED_CONFIGURED_SPEED = 0x58
};

struct structure {
    const uint8_t *at; /* [length] */
    size_t length;
    const char *text; /* [n_text] its strings, NULs among them */
    size_t n_text;
};

struct slot {
    int has_module, width, transfers; /* bits; millions a second; 0: not known */
    const char *type;
    char channel[MODULE_NAME], name[MODULE_NAME]; /* "": not known */
};

struct slots {
    struct slot slot[SLOTS_MOST];
    int n, is_cut; /* is_cut: the table does not end as tables do, or has more slots */
};

/* ---- structures ------------------------------------------------------------------------------------------------------------- */

/* The structure at *at, which moves behind it. 0: there is no whole one. */
static int next_structure(struct structure *out, const uint8_t *table, size_t n, size_t *at)
{
    size_t left = n - *at, length = left >= HEAD ? table[*at + 1] : 0;
    if (length < HEAD || length > left)
        return 0;
    size_t end = *at + length;
    while (end + 1 < n && (table[end] || table[end + 1]))
        end++;
    if (end + 1 >= n)
        return 0;
    *out = (struct structure){table + *at, length, (const char *)table + *at + length, end + 1 - *at - length};
    *at = end + 2;
    return 1;
}

/* 0 where the structure is too short for it. */
static unsigned long field(const struct structure *s, size_t at, size_t bytes)
{
    unsigned long x = 0;
    for (size_t i = 0; at + bytes <= s->length && i < bytes; i++)
        x |= (unsigned long)s->at[at + i] << (8 * i);
    return x;
}

/* The string whose number the field holds, cut where it is too long; "" where there is none. */
static void string_of(char out[MODULE_NAME], const struct structure *s, size_t at)
{
    unsigned long number = field(s, at, 1);
    const char *p = s->text, *end = s->text + s->n_text;
    size_t n = 0;
    for (unsigned long i = 1; i < number && p < end; i++)
        p += strnlen(p, (size_t)(end - p)) + 1;
    while (number && p + n < end && p[n] && n + 1 < MODULE_NAME) {
        out[n] = isprint((unsigned char)p[n]) ? p[n] : '?';
        n++;
    }
    out[n] = 0;
}

/* ---- slots ------------------------------------------------------------------------------------------------------------------ */

/* Behind a processor, "P0_" and "CPU1_", where a name has one there. */
static const char *behind_processor(const char *at)
{
    const char *number = at + (strncasecmp(at, "cpu", 3) == 0       ? 3
                               : tolower((unsigned char)*at) == 'p' ? 1
                                                                    : 0),
               *end = number + strspn(number, "0123456789"), *next = end + strspn(end, "_- ");
    return number > at && end > number && next > end ? next : at;
}

/* The name up to its channel: "ChannelA-DIMM0" and "P0 CHANNEL A" to the letter or number behind the word, "CPU1_DIMM_A1" and
 * "DIMM_P0_A0" to the letter. */
static int channel_in(char out[MODULE_NAME], const char *name)
{
    const char *word = strcasestr(name, "channel"), *at = word ? word + strlen("channel") : NULL;
    if (!word && (word = strcasestr(name, "dimm")))
        at = word + strlen("dimm");
    if (!at)
        return 0;
    at += strspn(at, "_- ");
    int is_channel = tolower((unsigned char)*word) == 'c';
    at = is_channel ? at : behind_processor(at);
    if (is_channel ? !isalnum((unsigned char)*at) : !isalpha((unsigned char)*at) || !isdigit((unsigned char)at[1]))
        return 0;
    size_t digits = strspn(at, "0123456789");
    snprintf(out, MODULE_NAME, "%.*s", (int)(at + (digits ? digits : 1) - name), name);
    return 1;
}

/* NULL: it is no memory that programs run in. */
static const char *type_name(unsigned long type)
{
    static const char *const dram[] = {
        [0x12] = "DDR",   [0x13] = "DDR2",   [0x14] = "DDR2",   [0x18] = "DDR3",   [0x1a] = "DDR4",
        [0x1b] = "LPDDR", [0x1c] = "LPDDR2", [0x1d] = "LPDDR3", [0x1e] = "LPDDR4", [0x20] = "HBM",
        [0x21] = "HBM2",  [0x22] = "DDR5",   [0x23] = "LPDDR5", [0x24] = "HBM3"};
    static const unsigned char others[] = {0x05, 0x06, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x1f}; /* of video, of firmware */
    if (memchr(others, (int)type, sizeof others))
        return NULL;
    return type < sizeof dram / sizeof *dram && dram[type] ? dram[type] : "";
}

/* Millions of transfers a second, as the device is clocked, else as it could be; 0: not told, or no number of a memory. */
static int transfers_of(const struct structure *s)
{
    static const struct {
        size_t at, extended;
    } fields[] = {{CONFIGURED_SPEED, EXTENDED_CONFIGURED_SPEED}, {SPEED, EXTENDED_SPEED}};
    for (size_t i = 0; i < 2; i++) {
        unsigned long x = field(s, fields[i].at, 2);
        x = x == 0xffff ? field(s, fields[i].extended, 4) & 0x7fffffff : x;
        if (x)
            return x >= 100 && x <= 100000 ? (int)x : 0;
    }
    return 0;
}

static void add_slot(struct slots *to, const struct structure *s)
{
    enum { NVDIMM_F = 5, PERSISTENT = 7 };
    unsigned long technology = field(s, TECHNOLOGY, 1), width = field(s, DATA_WIDTH, 2);
    const char *type = type_name(field(s, MEMORY_TYPE, 1));
    char bank[MODULE_NAME];
    if (!type || (technology >= NVDIMM_F && technology <= PERSISTENT))
        return;
    if (to->n == SLOTS_MOST) {
        to->is_cut = 1;
        return;
    }
    struct slot *slot = &to->slot[to->n++];
    *slot = (struct slot){.has_module = field(s, SIZE, 2) != 0, .type = type, .transfers = transfers_of(s)};
    slot->width = width % 8 == 0 && width <= 1024 ? (int)width : 0;
    string_of(slot->name, s, DEVICE_LOCATOR);
    string_of(bank, s, BANK_LOCATOR);
    if (!channel_in(slot->channel, slot->name) || !strcasestr(slot->channel, "channel"))
        channel_in(slot->channel, bank); /* a name without the word gives way to one with it */
}

static void read_slots(struct slots *out, const uint8_t *table, size_t n)
{
    struct structure s;
    size_t at = 0;
    *out = (struct slots){.n = 0};
    while (n - at >= HEAD && table[at] != END_OF_TABLE && next_structure(&s, table, n, &at))
        if (s.at[0] == MEMORY_DEVICE)
            add_slot(out, &s);
    out->is_cut |= n - at < HEAD || table[at] != END_OF_TABLE;
}

/* ---- channels ---------------------------------------------------------------------------------------------------------------- */

/* 1: no slot before it is of the same channel; with modules: no slot with a module. */
static int is_first_of_channel(const struct slots *all, int i, int with_modules)
{
    for (int k = 0; k < i; k++)
        if ((all->slot[k].has_module || !with_modules) && strcmp(all->slot[k].channel, all->slot[i].channel) == 0)
            return 0;
    return 1;
}

static int channel_has_module(const struct slots *all, const char *channel)
{
    for (int i = 0; i < all->n; i++)
        if (all->slot[i].has_module && strcmp(all->slot[i].channel, channel) == 0)
            return 1;
    return 0;
}

static void count_channels(struct memory_modules *out, const struct slots *all)
{
    for (int i = 0; i < all->n; i++) {
        const struct slot *s = &all->slot[i];
        out->n_channel_there += is_first_of_channel(all, i, 0);
        out->n_channel += s->has_module && is_first_of_channel(all, i, 1);
        if (!*out->unused && !channel_has_module(all, s->channel))
            memcpy(out->unused, s->name, sizeof out->unused);
    }
}

/* What channels give together, each at the rate of its first module. by_channel 0: each module counts as one. */
static void add_rates(struct memory_modules *out, const struct slots *all, int by_channel)
{
    double sum = 0, least = 0;
    for (int i = 0; i < all->n; i++) {
        const struct slot *s = &all->slot[i];
        double rate = s->width / 8.0 * 1e6 * s->transfers;
        if (!s->has_module)
            continue;
        if (rate <= 0) {
            out->why = "the table of its firmware does not tell how fast and how wide its modules are";
            return;
        }
        out->transfers = !out->transfers || s->transfers < out->transfers ? s->transfers : out->transfers;
        least = least <= 0 || rate < least ? rate : least;
        if (!by_channel || is_first_of_channel(all, i, 1))
            sum += rate;
    }
    out->of_module = least;
    out->rate = sum;
}

void modules_of_table(struct memory_modules *out, const uint8_t *table, size_t n)
{
    enum { FEW = 2 };
    struct slots *all = malloc(sizeof *all);
    const char *type = NULL;
    int named = 1;
    *out = (struct memory_modules){.why = all ? "the table of its firmware lists no modules" : "there is no memory"};
    if (!all)
        return;
    read_slots(all, table, n);
    for (int i = 0; i < all->n; i++) {
        out->n += all->slot[i].has_module;
        named = named && *all->slot[i].channel;
        if (all->slot[i].has_module)
            type = !type || strcmp(type, all->slot[i].type) == 0 ? all->slot[i].type : "";
    }
    if (all->is_cut) {
        *out = (struct memory_modules){.why = "the table of its firmware is damaged"};
    } else if (out->n) {
        out->from = MODULES_SMBIOS;
        out->why = NULL;
        snprintf(out->type, sizeof out->type, "%s", type);
        if (named)
            count_channels(out, all);
        add_rates(out, all, named);
        if (!named && out->n > FEW && out->rate > 0) {
            out->rate = 0;
            out->why = "the names of its slots do not tell their channels";
        }
    }
    free(all);
}

/* ---- this machine ------------------------------------------------------------------------------------------------------------ */

/* What memory controllers have: each module, or each rank of one, tells its channel. */
static void read_controllers(struct memory_modules *out, const char *root)
{
    enum { CONTROLLERS = 64, PLACES = 128, CHANNELS = 64 };
    static const char *const kinds[] = {"dimm", "rank"};
    char line[KERNEL_FILE_LINE];
    for (int c = 0; c < CONTROLLERS && !kernel_file_line(line, root, "/sys/devices/system/edac/mc/mc%d/mc_name", c);
         c++) {
        char seen[CHANNELS] = {0};
        for (int i = 0; i < 2 * PLACES; i++) {
            if (kernel_file_line(line, root, "/sys/devices/system/edac/mc/mc%d/%s%d/dimm_location", c,
                                 kinds[i / PLACES], i % PLACES))
                continue;
            const char *word = strstr(line, "channel ");
            long channel = word ? strtol(word + strlen("channel "), NULL, 10) : -1;
            out->n += i < PLACES;
            if (channel >= 0 && channel < CHANNELS && !seen[channel]) {
                seen[channel] = 1;
                out->n_channel++;
            }
        }
    }
}

static void read_table(struct memory_modules *out, const char *root)
{
    char path[KERNEL_FILE_LINE];
    struct error err = {0};
    size_t n = 0;
    if (snprintf(path, sizeof path, "%s/sys/firmware/dmi/tables/DMI", root) >= (int)sizeof path)
        path[0] = 0;
    char *table = file_read(path, TABLE_MOST, &n, &err);
    if (table)
        modules_of_table(out, (const uint8_t *)table, n);
    else
        *out = (struct memory_modules){.why = access(path, F_OK) == 0 ? "only root may read the table of its firmware"
                                                                      : "its firmware leaves no table"};
    free(table);
}

void modules_read(struct memory_modules *out, const char *root)
{
    struct memory_modules of_controllers = {.n = 0};
    read_table(out, root);
    read_controllers(&of_controllers, root);
    if (!of_controllers.n_channel || of_controllers.n_channel == out->n_channel)
        return;
    out->n_channel = of_controllers.n_channel;
    out->n_channel_there = 0; /* by names, which were not read as they are meant */
    out->unused[0] = 0;
    if (out->from == MODULES_UNKNOWN) {
        out->from = MODULES_EDAC;
        out->n = of_controllers.n;
    } else if (out->of_module > 0) {
        out->rate = out->n_channel * out->of_module;
        out->why = NULL;
    }
}
