/// What the GNU tools end a complaint about their usage with.
enum UsageHint {
  static func line(_ name: String) -> String {
    "Try '\(name) --help' for more information.\n"
  }
}
