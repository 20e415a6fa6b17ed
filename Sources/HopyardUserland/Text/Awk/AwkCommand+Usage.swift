extension AwkCommand {
  /// What mawk says when it is given nothing to do.
  static let usage = """
    Usage: mawk [Options] [Program] [file ...]

    Program:
        The -f option value is the name of a file containing program text.
        If no -f option is given, a "--" ends option processing; the following
        parameters are the program text.

    Options:
        -f program-file  Program  text is read from file instead of from the
                         command-line.  Multiple -f options are accepted.
        -F value         sets the field separator, FS, to value.
        -v var=value     assigns value to program variable var.
        --               unambiguous end of options.

        Implementation-specific options are prefixed with "-W".  They can be
        abbreviated:

        -W version       show version information and exit.
        -W dump          show assembler-like listing of program and exit.
        -W help          show this message and exit.
        -W interactive   set unbuffered output, line-buffered input.
        -W exec file     use file as program as well as last option.
        -W random=number set initial random seed.
        -W sprintf=number adjust size of sprintf buffer.
        -W posix_space   do not consider "\\n" a space.
        -W usage         show this message and exit.

    """
}
