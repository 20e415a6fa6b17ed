/// Why a command does not go on; thrown through it to whoever runs the process.
public enum ProcessExit: Error, Sendable {
  /// It ends with this exit status.
  case status(Int32)
  /// A signal ended it.
  case killed(Signal)
  /// It was asked for something that is not modelled: the run ends, with the place.
  case refused(String)
  /// A system call failed and the command did not look: it prints the error's text and ends with 1.
  case failed(Errno)
}
