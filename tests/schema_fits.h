/* A validator of JSON Schema of its own, for the keywords that tests of calls use: types, enums, bounds, items, properties, required. */
#ifndef TESTS_SCHEMA_FITS_H
#define TESTS_SCHEMA_FITS_H

#include <jansson.h>
#include <string.h>

static inline int type_fits(const char *type, const json_t *v)
{
    return !strcmp(type, "string")    ? json_is_string(v)
           : !strcmp(type, "integer") ? json_is_integer(v)
           : !strcmp(type, "number")  ? json_is_number(v)
           : !strcmp(type, "boolean") ? json_is_boolean(v)
           : !strcmp(type, "null")    ? json_is_null(v)
           : !strcmp(type, "array")   ? json_is_array(v)
                                      : json_is_object(v);
}

static inline int fits(const json_t *schema, const json_t *v);

static inline int object_fits(const json_t *schema, const json_t *v)
{
    const json_t *properties = json_object_get(schema, "properties");
    const char *key;
    json_t *x;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i,
                       x) if (!json_object_get(v, json_string_value(x))) return 0;
    json_object_foreach((json_t *)v, key, x)
    {
        const json_t *s = json_object_get(properties, key);
        if (properties ? !s || !fits(s, x) : 0)
            return 0;
    }
    return 1;
}

static inline int fits(const json_t *schema, const json_t *v)
{
    const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum"), *x;
    size_t i;
    int ok = !type || (json_is_string(type) && type_fits(json_string_value(type), v));
    json_array_foreach(type, i, x) ok |= type_fits(json_string_value(x), v);
    if (!ok)
        return 0;
    if (values) {
        ok = 0;
        json_array_foreach(values, i, x) ok |= json_equal(x, v);
    }
    if (json_object_get(schema, "minimum"))
        ok &= json_number_value(v) >= json_number_value(json_object_get(schema, "minimum"));
    if (json_object_get(schema, "maximum"))
        ok &= json_number_value(v) <= json_number_value(json_object_get(schema, "maximum"));
    if (json_object_get(schema, "maxItems"))
        ok &= json_array_size(v) <= (size_t)json_integer_value(json_object_get(schema, "maxItems"));
    json_array_foreach(v, i, x) if (json_object_get(schema, "items")) ok &= fits(json_object_get(schema, "items"), x);
    return ok && (!json_is_object(v) || object_fits(schema, v));
}

#endif
