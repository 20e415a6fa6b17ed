/// `awk` in the parts that labs use: patterns, fields, variables, arrays, `print` and `printf`.
enum AwkCommand {
  static let all: [Command] = [command("awk"), command("mawk"), command("gawk")]

  private static let options = OptionSpecification(
    "+F:v:f:",
    long: ["field-separator:=F", "assign:=v", "file:=f"],
    refused: "bcCdDeEghiIlLMnNoOpPrsStVW:"
  )

  private static func command(_ name: String) -> Command {
    Command(
      name,
      check: { check in
        check.checkOptions(options)
        guard case .success(let parsed) = options.parse(check.texts), !parsed.has("f"),
          let index = parsed.operandIndices.first, let text = check.texts[index]
        else { return }
        do throws(AwkError) {
          _ = try AwkProgram(Array(text.utf8))
        } catch  where error.isRefusal {
          check.report(index, at: error.at, "awk: \(error.message)")
        } catch {}
      },
      run: { process, arguments async throws(ProcessExit) in try await run(process, arguments) }
    )
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed = try await process.options(options, arguments, status: 2)
    var operands = parsed.operands[...]
    var text: [UInt8] = []
    for path in parsed.all("f") {
      do {
        text += try process.contents(of: path) + [0x0A]
      } catch {
        try await process.printError("awk: cannot open \(path) (\(error))\n")
        return 2
      }
    }
    if !parsed.has("f") {
      guard let first = operands.first else {
        // Options without a program end mawk in silence.
        if arguments.isEmpty { try await process.printError(usage) }
        return 0
      }
      text = Array(first.utf8)
      operands = operands.dropFirst()
    }
    var program: AwkProgram
    do throws(AwkError) {
      program = try AwkProgram(text)
    } catch {
      if error.isRefusal { throw .refused("awk: \(error.message)") }
      let near = String(
        decoding: text.dropFirst(error.at).prefix { $0 != 0x20 && $0 != 0x0A },
        as: UTF8.self
      )
      try await process.printError("awk: line 1: \(error.message) at or near \(near)\n")
      return 2
    }
    var machine = AwkMachine(program: program, process: process)
    if let separator = parsed["F"] {
      machine.assign("FS", Array((separator == "t" ? "\t" : separator).utf8), &program)
    }
    for setting in parsed.all("v") {
      guard let mark = setting.firstIndex(of: "=") else { continue }
      let value = Array(setting[setting.index(after: mark)...].utf8)
      machine.assign(String(setting[..<mark]), value, &program)
    }
    machine.environment()
    return try await machine.run(program, Array(operands))
  }
}
