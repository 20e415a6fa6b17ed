/// Words as the shell would write them.
extension Shell {
  /// The word as bash would quote it in a trace.
  static func quoted(_ word: String) -> String {
    if word.isEmpty { return "''" }
    let safe = word.utf8.allSatisfy { byte in
      ShellParser.isName(byte) || "-./:=,+@%^".utf8.contains(byte)
    }
    if safe { return word }
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// The word with backslashes, as `printf %q` writes it.
  static func escaped(_ word: String) -> String {
    if word.isEmpty { return "''" }
    var result = ""
    for scalar in word.unicodeScalars {
      let isSafe =
        scalar.value >= 0x80
        || scalar.value < 0x80
          && (ShellParser.isName(UInt8(scalar.value))
            || "-./:=,+@%^".unicodeScalars.contains(scalar))
      if scalar.value < 0x20 || scalar.value == 0x7F {
        let names: [UInt32: String] = [7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"]
        let digits = String(scalar.value, radix: 8)
        let name =
          names[scalar.value] ?? String(repeating: "0", count: 3 - digits.count) + digits
        return "$'"
          + word.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
          .replacing(String(scalar), with: "\\" + name) + "'"
      }
      if !isSafe { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }
}
