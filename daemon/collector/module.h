/* SPDX-License-Identifier: MIT */
/*
 * module.h - one module: making it, its states, the identity of its file. For modules.c; others see
 * modules.h.
 */
#ifndef PROFD_COLLECTOR_MODULE_H
#define PROFD_COLLECTOR_MODULE_H

#include "collector/modules.h"

/* In state MODULE_OPENING; the name is path[0..length). A reference, or NULL without memory. */
struct module *module_new(enum module_kind kind, const char *path, size_t length);
void module_fail(struct module *m, int error);
/* Tells who waits that the module's state is final. */
void module_settle(struct module *m);
/* Nobody will answer the request for it any more: fails and settles it if it is MODULE_OPENING. */
void module_give_up(struct module *m, int error);

/* The module's from then on, with the identity of its file. 0, or -errno: it is still the
 * caller's. None of these waits for a server. */
int module_take_file(struct module *m, int fd);
bool module_same_identity(const struct module *a, const struct module *b);
/* Modules that are open, whoever holds them. */
size_t module_open_files(void);
/* Whether an open module's file still is what was opened. */
bool module_is_unchanged(const struct module *m);
/* Whether its file has no name any more: it takes its place on the disk as long as it is open. */
bool module_is_deleted(const struct module *m);

/* The kernel, with /proc/kallsyms. */
struct module *module_new_kernel(void);
/* A copy of this process's vDSO image, of *size bytes (0: it has none, the module has failed). */
struct module *module_new_vdso(uint64_t *size);

#endif
