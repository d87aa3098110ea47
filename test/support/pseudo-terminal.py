"""One pseudo terminal: what is read from standard input is what the device sends, standard output is what it receives.

The slave is raw and stands under the link named on the command line (as udev links /dev/serial/by-id). Ends with standard
input or on SIGKILL: closing the master is what pulling out a USB adapter is to the one who has the port open.
"""
import os, pty, select, sys, termios, tty

link = sys.argv[1]
master, slave = pty.openpty()
tty.setraw(slave)
# The slave stays open here too: the master would fail to read while nobody else has it.
temporary = link + ".new"
os.symlink(os.ttyname(slave), temporary)
os.replace(temporary, link)
os.set_blocking(master, False)
sys.stderr.write(os.ttyname(slave) + "\n")
sys.stderr.flush()

pending = b""
while True:
    reads = [master] if pending else [master, 0]
    readable, writable, _ = select.select(reads, [master] if pending else [], [])
    if master in readable:
        os.write(1, os.read(master, 65536))
    if 0 in readable:
        pending = os.read(0, 65536)
        if not pending:
            break
    if pending and (master in writable or 0 in readable):
        try:
            pending = pending[os.write(master, pending):]
        except BlockingIOError:
            pass
