// HopyardCapture
