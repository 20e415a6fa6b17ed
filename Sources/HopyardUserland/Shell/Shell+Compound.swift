/// Compound commands.
extension Shell {
  func runCompound(_ command: ShellCommand) async throws(ShellUnwind) {
    switch command.kind {
    case .simple, .subshell: return
    case .group(let list): try await run(list)
    case .condition(let branches, let otherwise):
      for branch in branches where try await holds(branch.test) {
        try await run(branch.body)
        return
      }
      status = 0
      if let otherwise { try await run(otherwise) }
    case .forEach(let variable, let words, let body):
      let values = words == nil ? positional : try await expand(words ?? [])
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      for value in values {
        process.place = (source, command.offset)
        try await set(variable, value)
        if try await !runLoopBody(body, &result) { break }
      }
      status = result
    case .forArithmetic(let start, let test, let step, let body):
      _ = try await arithmetic(start)
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      while true {
        try await tick()
        let isEndless = test.parts.isEmpty
        if !isEndless {
          let value = try await arithmetic(test)
          if value == 0 { break }
        }
        if try await !runLoopBody(body, &result) { break }
        _ = try await arithmetic(step)
      }
      status = result
    case .loop(let test, let isUntil, let body):
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      while true {
        try await tick()
        var goesOn = false
        do {
          goesOn = try await holds(test) != isUntil
        } catch .break(let count) {
          if count > 1 { throw .break(count - 1) }
        } catch .continue(let count) {
          if count > 1 { throw .continue(count - 1) }
          continue
        }
        if !goesOn { break }
        if try await !runLoopBody(body, &result) { break }
      }
      status = result
    case .choice(let subject, let cases):
      let text = Array(try await expandToString(subject).utf8)[...]
      status = 0
      for one in cases {
        for pattern in one.patterns where try await self.pattern(pattern).matches(text) {
          try await run(one.body)
          return
        }
      }
    case .function(let name, let body):
      functions[name] = body
      status = 0
    case .conditional(let expression):
      status = try await evaluate(expression) ? 0 : 1
    case .arithmetic(let word):
      status = try await arithmetic(word) != 0 ? 0 : 1
    }
  }

  func tick() async throws(ShellUnwind) {
    do {
      try await process.step()
    } catch {
      throw .process(error)
    }
  }

  private func holds(_ test: CommandList) async throws(ShellUnwind) -> Bool {
    conditionDepth += 1
    defer { conditionDepth -= 1 }
    return try await run(test) == 0
  }

  /// Runs the commands of a loop once; false ends the loop.
  private func runLoopBody(_ body: CommandList, _ result: inout Int32) async throws(ShellUnwind)
    -> Bool
  {
    do {
      result = try await run(body)
      return true
    } catch .break(let count) {
      result = 0
      status = 0
      if count > 1 { throw .break(count - 1) }
      return false
    } catch .continue(let count) {
      result = 0
      status = 0
      if count > 1 { throw .continue(count - 1) }
      return true
    }
  }
}
