/*
 * What QEMU asks of the libraries its network drivers use: librados and librbd, libgfapi, libnfs, libiscsi.
 *
 * Loaded before them (LD_PRELOAD), it reports each name QEMU hands over and lets the last call fail, so that no cluster,
 * volume or target is needed and nothing is opened. QEMU's own parsing of the reference runs unchanged, as does
 * libiscsi's. A report is its words between unit separators (0x1f), then a record separator (0x1e), on standard error.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static char handle[4096];

static void report(const char *what, ...)
{
    va_list words;
    const char *word;

    fprintf(stderr, "\x1e%s", what);
    va_start(words, what);
    while ((word = va_arg(words, const char *)))
        fprintf(stderr, "\x1f%s", word);
    va_end(words);
    fputc('\x1e', stderr);
}

static void report_number(const char *what, int number)
{
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    report(what, text, NULL);
}

static const char *shown(const char *text)
{
    return text ? text : "";
}

/* librados, librbd */
int rados_create(void **cluster, const char *id) { report("user", shown(id), NULL); *cluster = handle; return 0; }
int rados_conf_read_file(void *cluster, const char *path) { report("conf", shown(path), NULL); return 0; }
int rados_conf_set(void *cluster, const char *key, const char *value) { report("set", key, value, NULL); return 0; }
int rados_connect(void *cluster) { return 0; }
void rados_shutdown(void *cluster) { }
int rados_ioctx_create(void *cluster, const char *pool, void **io) { report("pool", pool, NULL); *io = handle; return 0; }
void rados_ioctx_set_namespace(void *io, const char *name) { report("namespace", shown(name), NULL); }
int rbd_namespace_exists(void *io, const char *name, _Bool *exists) { *exists = 1; return 0; }
void rados_ioctx_destroy(void *io) { }
int rbd_open(void *io, const char *name, void **image, const char *snapshot)
{
    report("image", name, shown(snapshot), NULL);
    return -ENOENT;
}

/* libgfapi */
void *glfs_new(const char *volume) { report("volume", volume, NULL); return handle; }
int glfs_set_volfile_server(void *fs, const char *transport, const char *host, int port)
{
    char text[16];

    snprintf(text, sizeof text, "%d", port);
    report("server", shown(transport), shown(host), text, NULL);
    return 0;
}
int glfs_set_logging(void *fs, const char *file, int level) { return 0; }
int glfs_set_xlator_option(void *fs, const char *xlator, const char *key, const char *value) { return 0; }
int glfs_init(void *fs) { return 0; }
int glfs_fini(void *fs) { return 0; }
void *glfs_open(void *fs, const char *path, int flags) { report("path", path, NULL); errno = ENOENT; return NULL; }

/* libnfs */
void nfs_set_uid(void *nfs, int uid) { report_number("uid", uid); }
void nfs_set_gid(void *nfs, int gid) { report_number("gid", gid); }
int nfs_mount(void *nfs, const char *server, const char *export) { report("mount", server, export, NULL); return 0; }
int nfs_umount(void *nfs) { return 0; }
int nfs_open(void *nfs, const char *path, int flags, void **file) { report("path", path, NULL); return -ENOENT; }

/* libiscsi; the URL is parsed by the real one */
int iscsi_set_targetname(void *iscsi, const char *name) { report("target", name, NULL); return 0; }
int iscsi_set_initiator_username_pwd(void *iscsi, const char *user, const char *password)
{
    report("login", shown(user), password && *password ? "with a password" : "", NULL);
    return 0;
}
int iscsi_full_connect_sync(void *iscsi, const char *portal, int lun)
{
    char text[16];

    snprintf(text, sizeof text, "%d", lun);
    report("portal", portal, text, NULL);
    return -1;
}
