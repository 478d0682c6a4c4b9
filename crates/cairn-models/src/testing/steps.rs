//! Single steps of the encoder for benches, which see the crate from outside.

use super::Random;
use crate::error::ModelError;
use crate::kernel::{Finish, Kernel, KernelChoice};
use crate::linear::{Detail, Linear, LinearScratch, To};
use crate::manifest::Precision;

/// One linear layer over random numbers: rows are quantised or rounded, multiplied and scaled.
#[derive(Debug)]
pub struct Product {
    kernel: Kernel,
    linear: Linear,
    x: Vec<f32>,
    y: Vec<f32>,
    scratch: LinearScratch,
}

impl Product {
    /// `m` rows of `k` numbers by a matrix of `n` outputs.
    ///
    /// # Errors
    /// Where this CPU does not have the path.
    pub fn new(
        choice: KernelChoice,
        precision: Precision,
        (m, k, n): (usize, usize, usize),
    ) -> Result<Self, ModelError> {
        let kernel = Kernel::select(choice)?;
        let mut random = Random(1);
        let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| random.next()).collect() };
        let (weights, bias, x) = (numbers(n * k), numbers(n), numbers(m * k));
        Ok(Self {
            kernel,
            linear: Linear::pack(kernel, precision, &weights, bias, k),
            x,
            y: vec![0.0; m * n],
            scratch: LinearScratch::default(),
        })
    }

    /// Computes it again; gives one of the results.
    pub fn run(&mut self) -> f32 {
        self.linear.apply(
            self.kernel,
            Detail::Plain,
            &self.x,
            To::Floats(&mut self.y, Finish::Plain),
            &mut self.scratch,
        );
        self.y[0]
    }
}
