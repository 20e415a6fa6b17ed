import HopyardServices
import HopyardSimulator
import HopyardWire

/// Readiness probes, as packets from the node to the pod.
extension Kubelet {
  /// Asks a container again and again until the pod ends.
  func probe(_ running: RunningPod, _ spec: PodContainer) async {
    guard let probe = spec.readiness, let address = running.address else { return }
    let simulation = node.namespace.simulation
    let program = Program(in: node.namespace, name: "kubelet", pid: 1)
    await simulation.sleep(nanoseconds: max(.milliseconds(5), .seconds(Int64(probe.initialDelay))))
    var good = 0
    var bad = 0
    var isReady = false
    while !running.isStopped {
      let isGood = await ask(program, probe, spec, address)
      if running.isStopped { return }
      good = isGood ? good + 1 : 0
      bad = isGood ? 0 : bad + 1
      if !isReady, good >= probe.successes {
        isReady = true
        setReady(running, spec.name, true)
      } else if isReady, bad >= probe.failures {
        isReady = false
        setReady(running, spec.name, false)
      }
      await simulation.sleep(nanoseconds: .seconds(Int64(probe.period)))
    }
  }

  private func setReady(_ running: RunningPod, _ container: String, _ isReady: Bool) {
    probeStore.modify(running.key) { object in
      guard case .pod(var pod) = object.body else { return }
      if isReady {
        pod.readyContainers.insert(container)
      } else {
        pod.readyContainers.remove(container)
      }
      object.body = .pod(pod)
    }
  }

  private func ask(
    _ program: Program,
    _ probe: PodContainer.Probe,
    _ spec: PodContainer,
    _ address: IPv4Address
  ) async -> Bool {
    let timeout = Int64.seconds(Int64(probe.timeout))
    let deadline = program.simulation.now + timeout
    switch probe.action {
    case .exec: return true
    case .tcp(let reference):
      guard let port = RunningPod.number(reference, spec) else { return false }
      guard
        let stream = try? await TCPStream.connect(
          program,
          to: address,
          port: port,
          timeout: timeout
        )
      else { return false }
      stream.close()
      return true
    case .http(let path, let reference, let isTLS):
      guard let port = RunningPod.number(reference, spec) else { return false }
      guard
        let stream = try? await TCPStream.connect(
          program,
          to: address,
          port: port,
          timeout: timeout
        )
      else { return false }
      defer { stream.close() }
      // What is encrypted is not looked into: the connection is the answer.
      if isTLS { return true }
      let request =
        "GET \(path) HTTP/1.1\r\nHost: \(address):\(port)\r\nUser-Agent: kube-probe/1.32\r\n"
        + "Accept: */*\r\nConnection: close\r\n\r\n"
      guard (try? await stream.write(Array(request.utf8), until: deadline)) != nil,
        let bytes = try? await stream.readAll(limit: 65_536, until: deadline)
      else { return false }
      let line = String(decoding: bytes.prefix(16), as: UTF8.self).split(separator: " ")
      guard line.count > 1, let status = Int(line[1].prefix(3)) else { return false }
      return (200..<400).contains(status)
    }
  }
}
