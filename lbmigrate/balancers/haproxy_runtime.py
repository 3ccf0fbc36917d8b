"""HAProxy's Runtime API: one command per connection on a unix socket, bounded in time, and its tables as values.

Commands used, and no others, so that a stand-in knows what to answer (HAProxy 2.6 and 2.8, "Management Guide" 9.3).
A connection carries one line and is closed by HAProxy after its answer. No experimental mode is needed.

    show info                                   lines "Key: value"; read: Name, Version, Pid, Start_time_sec, Stopping
    show stat                                   CSV, first line "# pxname,svname,…"; read by name: pxname svname type
                                                (0 frontend, 1 backend, 2 server) status scur stot req_tot hrsp_5xx
                                                econ eresp mode check_status
    show servers state                          version line "1", "# be_id be_name …", rows; read by name: be_name
                                                srv_name srv_addr srv_port srv_admin_state srv_uweight srv_fqdn
                                                srv_use_ssl
    show sess                                   rows "0x…: proto=tcpv4 src=1.2.3.4:5 fe=NAME …"; read: src, fe
    add server P/S ADDR:PORT weight W [opts]    "New server registered."; the new server is in maintenance, its checks
                                                are off; opts: those of its neighbours in the file, "check inter 1s …"
    enable health P/S                           (nothing); only after `add server … check`
    set server P/S state ready|drain|maint      (nothing)
    set server P/S weight N | 0%                (nothing)
    set server P/S addr IP port N               "… changed from …" or "no need to change …"
    del server P/S                              "Server deleted."; only in maintenance

The program itself is called as `BINARY -c -f FILE` (exit 0: valid) and `BINARY -db -f FILE [ARGS] [-sf PID]`: in the
foreground (its caller puts it in a session of its own), with `-sf` telling PID to stop softly once it listens.
SIGUSR1 is the soft stop: every listener closes, the unix socket included, and what is under way finishes.
"""
