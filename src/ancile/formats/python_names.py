"""Names of Python that reach out of the program: processes, the network, other code, other files.

CPython 3.13 library reference; for packages, their own documentation.
"""

# ruff: noqa: ISC004, E501 - each kind is one long pattern

from __future__ import annotations

import re

PROCESS = "a process"
NETWORK = "the network"
CODE = "other code"
PICKLE = "a pickle"
NATIVE = "machine code"
FILES = "files that are deleted"
INSIDE = "the interpreter's insides"

# Whole names, or a module with everything in it (".*"); the first that fits counts
REACHING: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?:{names})"))
    for kind, names in (
        (
            PROCESS,
            r"(?:os|posix|nt|_posixsubprocess)\.(?:system|popen\w*|exec\w+|spawn\w+|posix_spawnp?|startfile"
            r"|forkpty|fork_exec|putenv)|subprocess\.(?:Popen|run|call|check_\w+|get\w+|_\w+)|(?:commands|popen2|pexpect|plumbum|sh|fabric|invoke)\..+"
            r"|pty\.(?:spawn|fork)|platform\.popen|asyncio\.(?:create_subprocess_\w+|subprocess\..+)"
            r"|(?:distutils|setuptools\._distutils)\.spawn\..+|webbrowser\.\w+"
            r"|multiprocessing\.util\.spawnv_passfds|idlelib\..+|ensurepip\..+|venv\..+|pip\..+",
        ),
        (
            NATIVE,
            r"ctypes\.(?:CDLL|PyDLL|WinDLL|OleDLL|cdll|pydll|windll|oledll|LibraryLoader|CFUNCTYPE|memmove|string_at)"
            r"(?:\..+)?|ctypes\.util\..+|cffi\..+|_ctypes\..+|torch\.(?:ops|classes)\.load_library"
            r"|torch\.utils\.cpp_extension\.load\w*|numpy\.ctypeslib\.load_library|mmap\.PROT_EXEC",
        ),
        (
            NETWORK,
            r"socket\.(?:socket|create_connection|create_server|socketpair|fromfd)|_socket\..+"
            r"|urllib\.request\.\w+|urllib2?\.(?:urlopen|urlretrieve|Request)|urllib3\..+|http\.(?:client|server)\..+"
            r"|httplib\..+|(?:requests|httpx)\.(?:get|post|put|patch|delete|head|request|stream|Session|session"
            r"|Client|AsyncClient)|aiohttp\..+|ftplib\..+|smtplib\..+|telnetlib\..+|poplib\..+|imaplib\..+"
            r"|nntplib\..+|paramiko\..+|websockets?\..+|xmlrpc\..+|socketserver\..+|pycurl\..+|wget\.download"
            r"|asyncio\.(?:open_connection|start_server|open_unix_connection)|dns\.resolver\..+|scapy\..+",
        ),
        (
            CODE,
            r"builtins\.(?:exec|eval|execfile|compile|breakpoint)|code\.\w+|codeop\.\w+|runpy\.\w+|marshal\.loads?"
            r"|types\.(?:FunctionType|CodeType|LambdaType)|imp\.load_\w+|zipimport\..+|timeit\.(?:timeit|repeat|Timer)"
            r"|cProfile\.run\w*|profile\.run\w*|bdb\..+|pdb\.run\w*|trace\.Trace|_testcapi\..+|test\..+"
            r"|importlib\.(?:util\.(?:spec_from_file_location|module_from_spec|spec_from_loader)|machinery\.\w+)"
            r"|torch\.hub\.(?:load|_load_local)|torch\.package\.PackageImporter|numpy\.f2py\..+|pydoc\.locate"
            r"|pkgutil\.resolve_name",
        ),
        (
            PICKLE,
            r"(?:c|_)?[pP]ickle\.(?:loads?|_?Unpickler)|dill\.loads?|cloudpickle\.loads?|shelve\.\w+"
            r"|jsonpickle\.(?:decode|loads)|pandas\.read_pickle|yaml\.(?:unsafe_load\w*|UnsafeLoader)"
            r"|joblib\.load|torch\.storage\._load_from_bytes",
        ),
        (
            FILES,
            r"shutil\.(?:rmtree|move)|os\.(?:remove|unlink|rmdir|removedirs|truncate|chmod|chown|symlink|link)"
            r"|atexit\.register|sys\.(?:settrace|setprofile|addaudithook|meta_path|path_hooks)(?:\..+)?",
        ),
        (INSIDE, r"sys\._getframe|gc\.get_objects|gc\.get_referrers|builtins\.__build_class__"),
    )
)
INSIDES = frozenset(
    {"__builtins__", "__globals__", "__subclasses__", "f_builtins", "f_globals", "func_globals", "gi_frame"}
)
BUILTIN = frozenset(
    {"__import__", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "getattr", "globals", "locals",
     "open", "setattr", "vars"}
)  # fmt: skip
# Where secrets of a user lie, and what starts programs later: no model reads or writes there
PRIVATE = re.compile(
    r"\.ssh[/\\]|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws[/\\]|\.kube[/\\]config|/etc/(?:passwd|shadow|sudoers|cron)"
    r"|/dev/tcp/|\.netrc\b|authorized_keys|\.bash_history|\.(?:bashrc|bash_profile|zshrc|profile)\b|wallet\.dat"
    r"|\.docker[/\\]config\.json|169\.254\.169\.254|/proc/self/(?:environ|mem)|CurrentVersion\\+Run\b"
)


def reach(name: str) -> str:
    """What a dotted name reaches for; empty where it is none of these."""
    return next((kind for kind, names in REACHING if names.fullmatch(name)), "")
